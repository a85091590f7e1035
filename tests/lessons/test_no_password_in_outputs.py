"""The lesson about passwords shows none: neither the word nor its hash is in any output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lessons.committed import code_cells, lesson, run_freshly

NAME = "13_02_dto_and_entity.ipynb"
WORD = "a-word-that-nobody-else-says"
CHOOSE_THE_WORD = f"secrets.token_urlsafe = lambda _length: {WORD!r}"
HASH = "$argon2"

pytestmark = pytest.mark.slow


def test_word_and_hash_are_in_no_output_of_a_fresh_run(tmp_path: Path) -> None:
    """The lesson hashes, sends and searches for a word that the test chose, and prints it nowhere."""
    fresh = run_freshly(NAME, tmp_path, after_start=CHOOSE_THE_WORD)
    shown = json.dumps([cell.outputs for cell in code_cells(fresh)])
    assert "get_secret_value() opens it: True" in shown
    assert WORD not in shown
    assert HASH not in shown


def test_committed_outputs_hold_no_hash() -> None:
    """Nor is there one in the file that is published."""
    assert HASH not in json.dumps([cell.outputs for cell in code_cells(lesson(NAME))])
