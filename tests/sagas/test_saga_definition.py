"""Definitions that could not work are refused where they are written, with what to change."""

from typing import Any

import pytest
from trial_sagas import Data, Done, Failed, saga, step

from lab_support.sagas import SagaDefinition, SagaDefinitionError


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "1 to 100 characters"),
        ({"success": ()}, "has no success"),
        ({"compensation": None}, "both a compensation and the answers"),
        ({"done": ()}, "both a compensation and the answers"),
        ({"success": [Done], "failure": [Done]}, "takes Done for a success and for a failure"),
        ({"deadline_s": 0}, "give seconds above 0"),
    ],
    ids=["name", "success", "compensation", "done", "ambiguous", "deadline"],
)
def test_step_that_cannot_be_understood_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(SagaDefinitionError, match=words):
        step("a", **wrong) if "name" not in wrong else step(**wrong)


def test_saga_without_steps_is_refused() -> None:
    with pytest.raises(SagaDefinitionError, match="has no step"):
        SagaDefinition(name="empty", steps=(), data=Data)


def test_two_steps_of_one_name_are_refused() -> None:
    with pytest.raises(SagaDefinitionError, match="2 steps called 'a'"):
        saga(step("a"), step("a"))


def test_two_steps_cannot_share_an_answer_unconditionally() -> None:
    """A late copy of the first step's answer would be taken for the second's."""
    with pytest.raises(SagaDefinitionError, match=r"'a' and 'b' .* both take Failed"):
        saga(step("a", failure=[Failed]), step("b", failure=[Failed]))


def test_second_pivot_is_refused() -> None:
    with pytest.raises(SagaDefinitionError, match="one point of no return"):
        saga(step("a", pivot=True), step("b", after_pivot=True, pivot=True))


@pytest.mark.parametrize("kept", ["compensation", "failure"])
def test_step_after_the_pivot_can_only_be_retried(kept: str) -> None:
    late = step("b") if kept == "compensation" else step("b", undo=False)
    with pytest.raises(SagaDefinitionError, match="comes after the pivot 'a'"):
        saga(step("a", pivot=True), late)


def test_unknown_step_is_named_in_the_error() -> None:
    with pytest.raises(SagaDefinitionError, match="has no step 'z'"):
        saga(step("a")).step("z")


def test_deadline_is_shared_by_all_attempts() -> None:
    """Two attempts of 15 s make 30 s of silence."""
    assert [one.deadline_s for one in saga(step("a")).with_deadline(30).steps] == [15]
