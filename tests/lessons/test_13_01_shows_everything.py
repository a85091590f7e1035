"""Lesson 13.1 shows every item of the curriculum, and teaches every word that its lab needs."""

from __future__ import annotations

import json
import re

import pytest

from tests.lessons.committed import ROOT, cells_by_id, claims, lesson

NAME = "13_01_sqlalchemy_orm.ipynb"

# what the curriculum's "Shows" asks for -> the code cells that show it, each with at least one claim
SHOWS = {
    "engine": ("engine",),
    "session factory": ("lines-seen", "rollback"),
    "declarative entity": ("create", "defaults", "base"),
    "the SQL that each line emits, live": ("lines-seen",),
    "one session per request as a trace": ("request", "dependency-seen"),
    "CRUD over HTTP: POST 201, GET, PUT, DELETE 204, 404": ("post",),
    "CRUD over HTTP: list with skip and limit": ("pages",),
    "CRUD over HTTP: PATCH": ("patch",),
    "safe errors": ("errors",),
    "tables created in lifespan": ("lifespan",),
    "MissingGreenlet provoked and explained": ("greenlet",),
    "N+1 counted: lazy, selectinload, joinedload": ("n-plus-one", "joins"),
    "float money losing a cent": ("float",),
    "drivers and URLs: SQLite, PostgreSQL, MariaDB": ("drivers-seen",),
    "overriding the session dependency in tests": ("override-seen",),
    "a common base: naming convention, timestamps mixin, __repr__": ("base",),
    "echo against trace_sql, and off in production": ("echo", "engine"),
    "why nothing here calls refresh after commit": ("refresh",),
    "bound parameters and LIKE": ("injection", "like"),
    ":memory: with NullPool and StaticPool": ("memory", "memory-shared"),
    "leftovers of older versions": ("leftovers",),
}

# common teaching errors -> the prose cell whose box corrects it
BOXES = {
    "future=True": "lifespan-text",
    "@app.on_event": "lifespan-text",
    "session.refresh(product)": "greenlet-text",
    "price: float": "entity-text",
    "detail=str(exception)": "errors-text",
    ":memory:": "memory-text",
}

# what the solutions of the lab use, exercise by exercise
TAUGHT = {
    "13.1.1": ("DeclarativeBase", "__tablename__", "Mapped[str]", "str &#124; None", "String(", "Numeric(",
               "index=True", "primary_key=True", "server_default=text(", "server_default=true()", "NOT NULL"),
    "13.1.2": ("async_sessionmaker(engine, expire_on_commit=False)", "request.app.state.sessions", "yield",
               "async with sessions() as session", "AsyncIterator"),
    "13.1.3": ("APIRouter(prefix=", "include_router", "status_code=201", 'headers["Location"]', "Query(ge=1, le=100)",
               ".order_by(", ".offset(skip)", ".limit(limit)", "exclude_unset=True", "setattr(", "HTTPException(404",
               "session.delete(", "session.add(", "session.get(", "product_name", "status_code=204"),
    "13.1.4": ("selectinload(Order.items)", ".options(", ".where(", ".unique()", "contains_eager("),
    "13.1.5": ("icontains(term, autoescape=True)", "bound parameter", "ESCAPE"),
    "13.1.6": ("dependency_overrides[get_session]", "finally:", "StaticPool", "NullPool",
               "httpx.ASGITransport(app=app)", "create_tables(", "StoreBase.metadata", "engine.dispose()", "assert "),
}  # fmt: skip


@pytest.mark.parametrize("item", SHOWS)
def test_each_item_is_shown_by_a_cell_that_claims_it(item: str) -> None:
    """The cell is there, ran, and its claims held."""
    cells = cells_by_id(lesson(NAME))
    for name in SHOWS[item]:
        assert claims(cells[f"13-1-{name}"]), f"13-1-{name} claims nothing"


@pytest.mark.parametrize("error", BOXES)
def test_each_common_error_has_its_box(error: str) -> None:
    """The box stands out, and names what a reader meets elsewhere."""
    prose = cells_by_id(lesson(NAME))[f"13-1-{BOXES[error]}"].source
    boxes = re.findall(r"(?:^>.*\n?)+", prose, re.MULTILINE)
    assert any("What you will read elsewhere" in box and error in box for box in boxes)


@pytest.mark.parametrize("exercise", TAUGHT)
def test_lesson_teaches_what_the_exercise_needs(exercise: str) -> None:
    """Whoever read the lesson has met every word that the reference solution uses."""
    text = "\n".join(cell.source for cell in lesson(NAME).cells)
    assert [word for word in TAUGHT[exercise] if word not in text] == []


def test_lesson_has_the_size_and_parts_of_a_lesson() -> None:
    """25 to 50 cells, two diagrams, a place for the view, recap, production, reading, and the way to the lab."""
    notebook = lesson(NAME)
    cells, text = cells_by_id(notebook), "\n".join(cell.source for cell in notebook.cells)
    assert 25 <= len(notebook.cells) <= 50
    assert "```mermaid\nflowchart" in cells["13-1-flow"].source
    assert "```mermaid\nsequenceDiagram" in cells["13-1-request-text"].source
    assert "SQL explorer" in cells["13-1-view-place"].source
    for heading in ("## Recap", "## In production", "## Further reading"):
        assert heading in text
    assert f"../work/{NAME}" in text


def test_all_three_databases_were_connected_when_the_outputs_were_made() -> None:
    """The committed outputs are measurements: no recorded table stands in for a server."""
    cells = json.dumps(cells_by_id(lesson(NAME))["13-1-drivers-seen"].outputs)
    assert "no server answers" not in cells
    assert all(f"{name}: statements" in cells for name in ("sqlite", "postgresql", "mariadb"))


def test_first_page_lists_the_sections_as_they_are() -> None:
    """The map has all ten sections, and links the lessons that exist."""
    text = "\n".join(cell.source for cell in lesson("00_start_here.ipynb").cells)
    rows = re.findall(r"^\| \[?(13\.\d+)\]?(?:\(([^)]*)\))? \|", text, re.MULTILINE)
    assert [number for number, _ in rows] == [f"13.{number}" for number in range(1, 11)]
    linked = {link for _, link in rows if link}
    assert linked == {path.name for path in (ROOT / "notebooks").glob("13_*.ipynb")}
