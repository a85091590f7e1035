"""Move a student's work cells into the pristine lab: all other cells are the package's own.

Only the text of a work cell counts. Its tags, outputs and everything outside the exercises' work cells stay
behind, so a skip mark, an edited check or a helper in an extra cell has no effect; each is noted.

Section:
    All sections.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from lab_support.notebooks import Cell, Notebook


@dataclass(frozen=True, slots=True)
class Transplanted:
    """The lab to run.

    Attributes:
        cells: The pristine lab's cells, in its order, with the student's text in the work cells.
        notes: What was not as it should be, one sentence each.
    """

    cells: tuple[Cell, ...]
    notes: tuple[str, ...]


def transplant(pristine: Notebook, submitted: Notebook) -> Transplanted:
    """Put the student's work cells into the pristine lab, by cell id.

    A work cell without its id is taken if it is the only unknown code cell between its exercise's other cells.
    Of copies that differ the last counts: after Run All its definitions are the ones that stand.

    Args:
        pristine: The lab from the package.
        submitted: What the student handed in, read with `ids_needed=False` to get a note on old formats.
    """
    if not any(cell.id for cell in submitted.cells):
        return Transplanted(pristine.cells, (_without_ids(submitted),))
    notes, cells, used = _moved(pristine, submitted), list[Cell](), set[int]()
    for cell in pristine.cells:
        if _is_work(cell):
            place = _place_of(cell, pristine, submitted, notes)
            if place is not None:
                used.add(place)
                cell = _with_source(cell, submitted.cells[place].source)
        cells.append(cell)
    notes += _left_behind(pristine, submitted, used)
    return Transplanted(tuple(cells), tuple(notes))


def _without_ids(submitted: Notebook) -> str:
    if not submitted.cells:
        return "The notebook has no cells, so nothing in it could be graded."
    version = f"{submitted.content.get('nbformat')}.{submitted.content.get('nbformat_minor', 0)}"
    return f"No cell has an id (notebook format {version}; 4.5 is needed), so nothing in it could be graded."


def _is_work(cell: Cell) -> bool:
    return cell.kind == "code" and cell.name is not None and cell.name.role == "work"


def _place_of(cell: Cell, pristine: Notebook, submitted: Notebook, notes: list[str]) -> int | None:
    same_id = [place for place, found in enumerate(submitted.cells) if found.id == cell.id]
    code = [place for place in same_id if submitted.cells[place].kind == "code"]
    if len(code) > 1:
        differ = len({submitted.cells[place].source for place in code}) > 1
        which = "they differ, and the last counts" if differ else "they are identical, and one counts"
        notes.append(f"Cell {cell.id} is there {len(code)} times: {which}.")
    if code:
        return code[-1]
    if same_id:
        notes.append(f"Cell {cell.id} is no longer a code cell, so it counts as missing.")
        return None
    unknown = _unknown_within(cell, pristine, submitted)
    if len(unknown) == 1:
        notes.append(f"Cell {cell.id} has lost its id; the one unknown cell in its place counts.")
        return unknown[0]
    why = f"; which of {len(unknown)} unknown cells in its place is meant is unclear" if unknown else ""
    notes.append(f"Cell {cell.id} is missing{why}.")
    return None


def _unknown_within(cell: Cell, pristine: Notebook, submitted: Notebook) -> list[int]:
    """Return the unknown code cells between the known cells that stand around the place of `cell`."""
    ids = [known.id for known in pristine.cells]
    places = {found.id: place for place, found in enumerate(submitted.cells) if found.id in ids}
    at = ids.index(cell.id)
    before = next((places[known] for known in reversed(ids[:at]) if known in places), -1)
    after = next((places[known] for known in ids[at + 1 :] if known in places), len(submitted.cells))
    others_lost = [
        lost for lost in pristine.cells if _is_work(lost) and lost.id != cell.id and lost.id not in places
    ]
    between = [p for p in range(before + 1, after) if submitted.cells[p].id not in ids]
    around = {ids[at - 1] if at else "", ids[at + 1] if at + 1 < len(ids) else ""}
    if any(lost.id in around for lost in others_lost):
        return []
    return [place for place in between if submitted.cells[place].kind == "code"]


def _with_source(cell: Cell, source: str) -> Cell:
    return Cell(cell.id, cell.kind, source, {**cell.content, "source": source})


def _moved(pristine: Notebook, submitted: Notebook) -> list[str]:
    expected = [cell.id for cell in pristine.cells]
    known = set(expected)
    present = list(dict.fromkeys(cell.id for cell in submitted.cells if cell.id in known))
    expected = [cell_id for cell_id in expected if cell_id in set(present)]
    blocks = SequenceMatcher(None, expected, present, autojunk=False).get_matching_blocks()
    in_order = {cell_id for block in blocks for cell_id in expected[block.a : block.a + block.size]}
    work = [cell.id for cell in pristine.cells if _is_work(cell)]
    return [
        f"Cell {cell_id} was moved; it is graded in its own place."
        for cell_id in work
        if cell_id in present and cell_id not in in_order
    ]


def _left_behind(pristine: Notebook, submitted: Notebook, used: set[int]) -> list[str]:
    own = {cell.id: cell for cell in pristine.cells}
    changed: dict[str, None] = {}
    extra = 0
    for place, cell in enumerate(submitted.cells):
        if cell.kind != "code" or place in used:
            continue
        if cell.id not in own:
            extra += bool(cell.source.strip())
        elif not _is_work(own[cell.id]) and cell.source != own[cell.id].source:
            changed[cell.id] = None
    notes = [f"Cell {cell_id} was changed; the package's own is used." for cell_id in changed]
    if extra:
        notes.append(f"Code cells of their own, which do not count: {extra}.")
    return notes
