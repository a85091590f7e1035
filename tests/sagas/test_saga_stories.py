"""The vocabulary of saga tests fails where the saga does something else, and says what it did."""

import pytest
from trial_sagas import Do, Done, Failed, Undo, three

from lab_support.sagas.testing import given_saga


def test_other_command_is_named() -> None:
    story = given_saga(three())

    with pytest.raises(AssertionError) as told:
        story.expect(Undo, to="b.commands")
    assert str(told.value) == "Expected Undo to b.commands; the saga sent Do to a.commands instead."


def test_other_topic_is_named() -> None:
    with pytest.raises(AssertionError, match=r"the saga sent Do to a\.commands instead"):
        given_saga(three()).expect(Do, to="b.commands")


def test_other_field_is_named() -> None:
    with pytest.raises(AssertionError, match="with step='b'; it has step='a'"):
        given_saga(three()).expect(Do, to="a.commands", step="b")


def test_command_after_the_end_is_refused() -> None:
    story = given_saga(three())
    story.expect(Do, to="a.commands").when_reply(Failed(step="a", reason="NO_CREDIT"))

    with pytest.raises(
        AssertionError, match="sent nothing: it has ended 'compensated', after 'a' said NO_CREDIT"
    ):
        story.expect(Do, to="b.commands")


def test_answer_to_another_question_is_refused() -> None:
    story = given_saga(three())

    with pytest.raises(
        AssertionError, match=r"Done is no answer to Do to a\.commands; the saga takes Done or Failed"
    ):
        story.expect(Do, to="a.commands").when_reply(Done(step="c"))


def test_second_answer_to_one_command_is_refused() -> None:
    story = given_saga(three())
    first = story.expect(Do, to="a.commands")
    first.when_reply(Done(step="a"))

    with pytest.raises(AssertionError, match=r"waits for the answer to Do to b\.commands"):
        first.when_silent()


def test_end_of_a_saga_that_goes_on_is_refused() -> None:
    with pytest.raises(
        AssertionError, match=r"saga is RUNNING and waits for the answer to Do to a\.commands"
    ):
        given_saga(three()).expect_end("completed")


def test_other_end_is_named() -> None:
    story = given_saga(three())
    story.expect(Do, to="a.commands").when_reply(Failed(step="a"))

    with pytest.raises(AssertionError, match="Expected the end 'completed'; it has ended 'compensated'"):
        story.expect_end("completed")
    with pytest.raises(AssertionError, match="turn back for NO_STOCK; it did for NO"):
        story.expect_end("compensated", reason="NO_STOCK")


def test_other_review_is_named() -> None:
    with pytest.raises(AssertionError, match="in review: a, b; a person has to look at: nothing"):
        given_saga(three()).expect_review("b", "a")
