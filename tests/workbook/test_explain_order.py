"""`explain(order_id, client)`: a saga as a sentence, a table and a diagram; what came from outside stays text."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_support.services import create_app, running_app
from lab_support.settings import Settings
from lab_support.workbook import explain
from lab_support.workbook.saga_pictures import MOST_EVENTS
from lab_support.workbook.saga_story import SagaStory, StoryError

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ORDER = uuid4()
CARD = (
    ("orders", "OrderCreated", None),
    ("customers", "CustomerVerified", 0),
    ("payments", "PaymentSuccessful", 1),
    ("inventory", "InventoryReservationFailed", 2),
    ("orders", "OrderFailed", 3),
    ("payments", "PaymentRefunded", 3),
)
"""Who told what because of which event, by its number."""


def document(
    events: tuple[tuple[str, str, int | None], ...] = CARD, payload: Any = None, **more: Any
) -> dict[str, Any]:
    """Write a timeline as Orders answers it."""
    ids = [UUID(int=n + 1) for n in range(len(events))]
    told = [
        {
            "event_id": str(ids[n]),
            "causation_id": None if cause is None else str(ids[cause]),
            "service": service,
            "type": type_,
            "occurred_at": (START + timedelta(seconds=0.25 * n)).isoformat(),
            "recorded_at": START.isoformat(),
            "cause": None,
            "payload": payload or {"order_id": str(ORDER)},
        }
        for n, (service, type_, cause) in enumerate(events)
    ]
    known = {
        "order_id": str(ORDER),
        "saga_id": str(uuid4()),
        "status": "FAILED_INVENTORY",
        "why": "It failed.",
    }
    return {**known, "events": told, **more}


def answering(status: int, body: Any) -> httpx.AsyncClient:
    """Give a client whose every request gets this answer."""
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, json=body))
    return httpx.AsyncClient(transport=transport, base_url="http://lab")


async def story(**changes: Any) -> SagaStory:
    async with answering(200, document(**changes)) as client:
        return await explain(ORDER, client)


async def bundle(**changes: Any) -> dict[str, str]:
    return (await story(**changes))._repr_mimebundle_()


async def test_text_tells_who_said_what_when_and_why() -> None:
    """A terminal shows the same as a notebook, but for the diagram."""
    lines = str(await story()).splitlines()

    assert lines[:2] == [f"Order {ORDER}: FAILED_INVENTORY", "It failed."]
    assert re.split(r"\s{2,}", lines[3]) == [
        "Time (UTC)",
        "Since",
        "Service",
        "Event",
        "Because of",
        "Details",
    ]
    assert re.split(r"\s{2,}", lines[4]) == ["12:00:00.000", "+0.000 s", "orders", "OrderCreated"]
    assert re.split(r"\s{2,}", lines[-1]) == [
        "12:00:01.250",
        "+1.250 s",
        "payments",
        "PaymentRefunded",
        "InventoryReservationFailed",
    ]


async def test_diagram_leads_from_each_event_to_whoever_reacted() -> None:
    """One event may be the reason of two; what nobody reacted to is noted by Orders."""
    diagram = (await bundle())["text/vnd.mermaid"]

    assert diagram.splitlines() == [
        "sequenceDiagram",
        "    participant s0 as orders",
        "    participant s1 as customers",
        "    participant s2 as payments",
        "    participant s3 as inventory",
        "    s0->>s1: OrderCreated",
        "    s1->>s2: CustomerVerified",
        "    s2->>s3: PaymentSuccessful",
        "    s3->>s0: InventoryReservationFailed",
        "    s3->>s2: InventoryReservationFailed",
        "    Note over s0: OrderFailed",
        "    s2-->>s0: PaymentRefunded",
    ]


async def test_markdown_holds_the_table_and_the_diagram() -> None:
    """JupyterLab prefers Markdown, and draws a fenced diagram in it."""
    shown = await bundle()

    assert set(shown) == {"text/plain", "text/markdown", "text/vnd.mermaid"}
    table = [line for line in shown["text/markdown"].splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(CARD)
    assert {line.count("|") for line in table} == {7}
    assert shown["text/markdown"].endswith(f"```mermaid\n{shown['text/vnd.mermaid']}\n```")


async def test_details_name_what_helps() -> None:
    """The reason, the amount, the article; the rest of a payload stays out."""
    payload = {
        "reason": "OUT_OF_STOCK",
        "sku": "LAMP-7",
        "compensate": ["a", "b"],
        "secret": "x",
        "amount": None,
    }
    [line] = (await story(events=CARD[:1], payload=payload)).lines
    assert line.details == "reason OUT_OF_STOCK, compensate a b, sku LAMP-7"


def test_cause_that_was_not_heard_is_said_to_be_missing() -> None:
    """Messages overtake each other: the reason may come later than its consequence."""
    told = document((("orders", "OrderFailed", None),))
    told["events"][0]["causation_id"] = str(uuid4())
    [line] = SagaStory.model_validate(told).lines
    assert line.cause == "an event not heard yet"


async def test_order_without_events_has_a_story_too() -> None:
    """Nothing was told yet: the sentence is all there is."""
    shown = await bundle(events=())
    assert "It failed" in shown["text/markdown"]
    assert shown["text/vnd.mermaid"] == "sequenceDiagram\n    participant s0 as orders"


async def test_endless_timeline_is_cut_and_says_so() -> None:
    """A picture of a thousand events shows nothing; the data stays complete."""
    many = (("orders", "OrderCreated", None),) + (("stock", "Noise", 0),) * MOST_EVENTS
    told = await story(events=many)
    assert len(told.events) == MOST_EVENTS + 1
    assert str(told).endswith("… and 1 more events")
    assert len(told.diagram.splitlines()) <= MOST_EVENTS + 3


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "end",
            "END ",
            "a\n    s0->>s1: forged",
            "x; s0->>s0: forged",
            "```\n# forged",
            "<img src=x onerror=alert(1)>",
            "[click](javascript:alert(1))",
            "a | b | c",
            "%%{init: {'securityLevel': 'loose'}}%%",
            "\x1b[31mred",
            "https://evil.example",
            "$\\sqrt{x}$",
            "#59;",
            "&lt;b&gt;",
            "\u202etxt",
        ]
    ),
)


@given(service=HOSTILE, type_=HOSTILE, told=HOSTILE, sentence=HOSTILE)
@settings(max_examples=150, deadline=None)
def test_text_from_outside_stays_text(service: str, type_: str, told: str, sentence: str) -> None:
    """No line, cell, tag, link, directive or control character can be smuggled in by what others have sent."""
    events = (("orders", "OrderCreated", None), (service, type_, 0))
    told_story = SagaStory.model_validate(document(events, payload={"reason": told}, why=sentence))
    shown = told_story._repr_mimebundle_()

    assert all(character.isprintable() or character == "\n" for text in shown.values() for character in text)
    diagram = shown["text/vnd.mermaid"].splitlines()
    assert len(diagram) == 1 + len({"orders", service}) + 2
    for line in diagram[1:]:
        assert re.fullmatch(
            r"    (participant s\d as |s\d--?>>s\d: |Note over s\d: )([-\w ,()+]|#\d+;)*", line, re.ASCII
        )
    before, fence, rest = shown["text/markdown"].partition("```mermaid\n")
    assert fence
    assert rest == shown["text/vnd.mermaid"] + "\n```"
    assert not set(before) & set("<>`[]\\$\"'%{}_~@/")
    rows = [line for line in before.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {line.count("|") for line in rows} == {7}


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (404, {}, "Orders knows no order"),
        (503, {}, "Orders answered 503"),
        (200, {"hello": "world"}, "is no timeline"),
        (200, [], "is no timeline"),
    ],
    ids=["unknown", "away", "another-service", "a-list"],
)
async def test_order_that_cannot_be_told_says_why(status: int, body: Any, says: str) -> None:
    """One sentence on what happened, and one on what to do."""
    async with answering(status, body) as client:
        with pytest.raises(StoryError, match=says):
            await explain(ORDER, client)


@pytest.mark.parametrize("wrong", ["7", "", "../../store/products", "x" * 5000], ids=range(4))
async def test_id_of_no_order_is_refused_before_anything_is_asked(wrong: str) -> None:
    """It must not become a part of another path."""
    async with answering(200, document()) as client:
        with pytest.raises(StoryError, match="is no order's id") as refused:
            await explain(wrong, client)
    assert len(str(refused.value)) < 200


def test_order_without_a_client_is_a_mistake_that_is_named() -> None:
    """At once, and not when it is awaited."""
    with pytest.raises(TypeError, match="await explain\\(order_id, client\\)"):
        explain(str(ORDER))  # type: ignore[call-overload]


async def test_error_is_still_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """The old use needs no client, and takes none."""
    assert explain(KeyError("x")) is None  # type: ignore[func-returns-value]
    assert "KeyError" in capsys.readouterr().out
    async with answering(200, {}) as client:
        with pytest.raises(TypeError, match="An error needs none"):
            explain(KeyError("x"), client)  # type: ignore[call-overload]


# --- the running shop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(app=create_app(Settings(data=tmp_path))) as client:
        yield client


async def test_running_shop_tells_the_story_of_an_order(shop: httpx.AsyncClient) -> None:
    """Read from the application itself: from the order to its end, over three services."""
    body = {"customer_id": "grace", "pay_by": "credit", "items": [{"sku": "DESK-1", "quantity": 1}]}
    taken = await shop.post("/orders", json=body)
    assert taken.status_code == 202
    order_id = taken.json()["order_id"]

    async with asyncio.timeout(60):
        while (told := await explain(order_id, shop)).status == "PENDING":
            pass

    assert told.status == "FAILED_NO_CREDIT"
    assert [(event.service, event.type) for event in told.events] == [
        ("orders", "OrderCreated"),
        ("customers", "CustomerCreditLimitExceeded"),
        ("orders", "OrderFailed"),
    ]
    assert "CREDIT_LIMIT_EXCEEDED" in told.why
    assert told.diagram.splitlines()[-3:] == [
        "    s0->>s1: OrderCreated",
        "    s1->>s0: CustomerCreditLimitExceeded",
        "    Note over s0: OrderFailed",
    ]
