"""The drawings of the shop say what the code says, and docs/architecture.md shows them."""

from pathlib import Path

import pytest

from lab_support.services import shop_map
from lab_support.services.split import ALL, GATEWAY
from tests.services.test_event_contract import CONTRACTS

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "architecture.md"


def test_document_shows_the_drawings_of_today() -> None:
    """A service, table or event more, and the document has to be written again."""
    text = DOCUMENT.read_text(encoding="utf-8")

    assert shop_map.with_drawings(text) == text, (
        "Run: python -m lab_support.services.shop_map docs/architecture.md"
    )
    assert {block.split(" -->")[0] for block in text.split("<!-- map: ")[1:]} == {
        "shared",
        "owned",
        "events",
        "table",
    }


def test_arrows_are_the_contract_between_services() -> None:
    """What the contract tests prove, one event at a time, is what is drawn, but for the gateway's listening."""
    arrows = [*shop_map.event_arrows(), *shop_map.command_arrows()]
    drawn = {
        (one.teller, one.hearer, one.topic, name)
        for one in arrows
        for name in one.types
        if one.hearer != GATEWAY.name
    }

    assert drawn == {
        (one.publisher, one.reader, one.topic, one.told.__name__)
        for one in CONTRACTS
        if one.topic != "order.replies"
    }


def test_each_service_has_its_own_database_in_the_drawing() -> None:
    """As many cylinders as services; the one that is shared stands alone."""
    drawing = shop_map.draw_owned()

    for one in (*ALL, GATEWAY):
        assert f"    {one.name} --> {one.name}_db[(" in drawing
    assert drawing.count("[(") == len(shop_map.tables_of_services())
    assert shop_map.draw_shared().count("[(") == 1


def test_every_table_is_owned_but_for_those_of_messages() -> None:
    """A table is drawn with the service whose metadata holds it."""
    drawn = shop_map.tables_of_services()

    for one in (*ALL, GATEWAY):
        assert {*drawn[one.name], "outbox", "inbox"} == set(one.tables.tables)


def test_gateway_listens_and_tells_nothing() -> None:
    """It is at the point of arrows alone."""
    arrows = shop_map.event_arrows()

    assert GATEWAY.name in {one.hearer for one in arrows}
    assert GATEWAY.name not in {one.teller for one in arrows}


@pytest.mark.parametrize("text", ["no block", "<!-- map: treasure -->\n<!-- end of map -->"])
def test_document_without_a_place_is_refused_in_one_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without blocks, or with one that nobody can draw, stays as it is."""
    document = tmp_path / "notes.md"
    document.write_text(text, encoding="utf-8")

    assert shop_map.main([str(document)]) == 1
    assert document.read_text(encoding="utf-8") == text
    assert capsys.readouterr().err.count("\n") == 1
