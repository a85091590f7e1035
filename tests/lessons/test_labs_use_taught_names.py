"""A lab asks for nothing that the lessons up to it have left out, found in the reference answers themselves."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

import nbformat
import pytest

from tests.lessons.committed import LESSONS, ROOT, lesson

SECTIONS = [name for name in LESSONS if name.startswith("13")]
OF_PYTHON = set(dir(builtins)) | {name for kind in (str, list, dict, set) for name in dir(kind)}
REGION = re.compile(r"### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)


def words(text: str) -> set[str]:
    """Return the words of a text, code or prose."""
    return set(re.findall(r"\w+", text))


def used(tree: ast.AST) -> Iterator[str]:
    """Yield each name that code imports, reads, calls or passes by."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name, ctx=ast.Load()) | ast.keyword(arg=str(name)):
                yield name
            case ast.alias(name=path):
                yield path.rpartition(".")[2]


def chosen(tree: ast.AST) -> Iterator[str]:
    """Yield each name that the author of the code made up."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name


def answers(name: str) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the id and code of each reference answer, and the words that the lab itself gives."""
    cells = nbformat.read(ROOT / "solutions" / name, nbformat.NO_CONVERT).cells
    given = [cell.source for cell in cells if not cell["id"].endswith("-work")]
    for cell in cells:
        if cell["id"].endswith("-work"):
            yield cell["id"], cell.source, words("\n".join([*given, REGION.sub("", cell.source)]))


@pytest.mark.parametrize("name", SECTIONS)
def test_reference_answers_use_no_name_that_was_not_met(name: str) -> None:
    """Each name is Python's own, given in the lab, made up in the answer, or in the code or prose of a lesson."""
    read = [cell.source for one in LESSONS if one <= name for cell in lesson(one).cells]
    met, missing = OF_PYTHON | words("\n".join(read)), {}
    for cell, code, given in answers(name):
        tree = ast.parse(code)
        unknown = set(used(tree)) - met - given - set(chosen(tree))
        missing[cell] = sorted(one for one in unknown if not one.startswith("_"))
    assert missing
    assert {cell: names for cell, names in missing.items() if names} == {}


@pytest.mark.parametrize("name", SECTIONS)
def test_every_lab_uses_names_that_only_lessons_give(name: str) -> None:
    """So the names are really found: with no lesson at all, no lab would pass the test above."""
    only_from_lessons: set[str] = set()
    for _cell, code, given in answers(name):
        tree = ast.parse(code)
        only_from_lessons |= set(used(tree)) - OF_PYTHON - given - set(chosen(tree))
    assert only_from_lessons
