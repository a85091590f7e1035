"""What a saga decides, told as stories: forward, backward, silent, repeated, late, in review."""

from typing import Any

import pytest
from trial_sagas import CannotUndo, Do, Done, Failed, Undo, Undone, saga, step, three

from lab_support.sagas.definition import SagaDefinition
from lab_support.sagas.testing import Story, given_saga


def do(story: Story, name: str) -> Any:
    return story.expect(Do, to=f"{name}.commands", step=name)


def undo(story: Story, name: str) -> Any:
    return story.expect(Undo, to=f"{name}.commands", step=name)


def kinds(story: Story) -> list[tuple[str, str | None, str | None]]:
    return [(call.kind, call.step, call.reason) for call in story.told]


def test_saga_completes_when_each_step_succeeds() -> None:
    """Each success goes into the data, and the service is told once."""
    story = given_saga(three())
    for name in "abc":
        do(story, name).when_reply(Done(step=name))

    story.expect_end("completed")
    assert story.state.data.seen == ["a", "b", "c"]  # type: ignore[attr-defined]
    assert kinds(story) == [("completed", None, None)]


def test_command_knows_what_the_replies_before_it_told() -> None:
    """The second command carries what the first reply brought."""
    story = given_saga(three())
    do(story, "a").when_reply(Done(step="a"))

    story.expect(Do, to="b.commands", seen=["a"])


def test_failed_saga_compensates_backward_from_the_step_before() -> None:
    """The failed step did nothing, so it is not made good; the service is told at once that all is lost."""
    story = given_saga(three())
    do(story, "a").when_reply(Done(step="a"))
    do(story, "b").when_reply(Done(step="b"))
    do(story, "c").when_reply(Failed(step="c", reason="NO_STOCK"))

    assert kinds(story) == [("failed", "c", "NO_STOCK")]
    undo(story, "b").when_reply(Undone(step="b"))
    undo(story, "a").when_reply(Undone(step="a"))
    story.expect_end("compensated", reason="NO_STOCK")


def test_first_step_that_fails_leaves_nothing_to_make_good() -> None:
    """The saga is over without a further command."""
    story = given_saga(three())
    do(story, "a").when_reply(Failed(step="a"))

    story.expect_end("compensated", reason="NO")


def test_step_without_compensation_is_passed_over() -> None:
    """Looking up a customer leaves nothing behind."""
    story = given_saga(saga(step("a"), step("b", undo=False), step("c")))
    for name in "ab":
        do(story, name).when_reply(Done(step=name))
    do(story, "c").when_reply(Failed(step="c"))

    undo(story, "a").when_reply(Undone(step="a"))
    story.expect_end("compensated")


def test_compensation_is_registered_before_its_command_is_answered() -> None:
    """What is in the log when the command leaves is enough to make it good after a crash."""
    story = given_saga(three())
    assert story.state.registered == ("a",)
    do(story, "a").when_reply(Done(step="a"))
    assert story.state.registered == ("a", "b")


def test_silent_step_is_asked_again_then_made_good_first() -> None:
    """Nobody knows whether it happened, so its own compensation comes first."""
    story = given_saga(three())
    do(story, "a").when_reply(Done(step="a"))
    do(story, "b").when_silent()
    do(story, "b").when_silent()

    assert kinds(story) == [("failed", "b", "DEADLINE")]
    undo(story, "b").when_reply(Undone(step="b"))
    undo(story, "a").when_reply(Undone(step="a"))
    story.expect_end("compensated", reason="DEADLINE")


def test_step_that_fails_after_it_was_asked_twice_is_made_good() -> None:
    """The other copy of the command may yet succeed."""
    story = given_saga(three())
    do(story, "a").when_silent()
    do(story, "a").when_reply(Failed(step="a"))

    undo(story, "a").when_reply(Undone(step="a"))
    story.expect_end("compensated")


@pytest.mark.parametrize("late", [Done(step="b"), Failed(step="b"), Done(step="a")], ids=repr)
def test_late_reply_of_a_step_given_up_changes_nothing(late: Any) -> None:
    """Its compensation is under way, whatever it says now."""
    story = given_saga(three())
    do(story, "a").when_reply(Done(step="a"))
    do(story, "b").when_silent_for_good()
    before = story.state
    story.hears(late)

    assert story.state is before
    undo(story, "b")


@pytest.mark.parametrize("copy", [Done(step="a"), Done(step="c"), Undone(step="a")], ids=repr)
def test_reply_that_no_step_waits_for_changes_nothing(copy: Any) -> None:
    """A copy of an earlier reply, one from the future, and one to a question not yet asked."""
    story = given_saga(three())
    do(story, "a").when_reply(Done(step="a"))
    before = story.state
    story.hears(copy)

    assert story.state is before


@pytest.mark.parametrize(
    "late", [Done(step="a"), Failed(step="a"), Undone(step="a"), CannotUndo(step="a")], ids=repr
)
def test_terminal_state_never_changes(late: Any) -> None:
    """Neither completed nor compensated sagas listen any more."""
    completed = given_saga(saga(step("a")))
    do(completed, "a").when_reply(Done(step="a"))
    completed.hears(late)
    completed.expect_end("completed")

    compensated = given_saga(saga(step("a")))
    do(compensated, "a").when_reply(Failed(step="a"))
    compensated.hears(late)
    compensated.expect_end("compensated")
    assert kinds(compensated) == [("failed", "a", "NO")]


def with_pivot() -> SagaDefinition:
    return saga(step("a"), step("b", pivot=True), step("c", after_pivot=True))


def test_silent_pivot_is_made_good_when_it_can_be() -> None:
    """Its outcome is unknown, so the point of no return was not passed for certain."""
    story = given_saga(with_pivot())
    do(story, "a").when_reply(Done(step="a"))
    do(story, "b").when_silent_for_good()

    undo(story, "b").when_reply(Undone(step="b"))
    undo(story, "a").when_reply(Undone(step="a"))
    story.expect_end("compensated")


def test_silent_step_after_the_pivot_waits_for_a_person() -> None:
    """There is no way back; nothing is compensated, and a late reply still brings the saga to its end."""
    story = given_saga(with_pivot())
    do(story, "a").when_reply(Done(step="a"))
    do(story, "b").when_reply(Done(step="b"))
    do(story, "c").when_silent_for_good()

    story.expect_end("requires_review")
    story.expect_review("c")
    assert kinds(story) == [("needs_review", "c", "UNANSWERED")]
    story.hears(Done(step="c"))
    story.expect_end("completed")


def test_person_settles_a_step_after_the_pivot() -> None:
    """The saga goes on as if the reply had come."""
    story = given_saga(with_pivot())
    do(story, "a").when_reply(Done(step="a"))
    do(story, "b").when_reply(Done(step="b"))
    do(story, "c").when_silent_for_good()
    story.settles("c")

    story.expect_end("completed")


def half_made_good() -> Story:
    """The second step can't be made good; the first has been."""
    story = given_saga(three())
    do(story, "a").when_reply(Done(step="a"))
    do(story, "b").when_reply(Done(step="b"))
    do(story, "c").when_reply(Failed(step="c"))
    undo(story, "b").when_reply(CannotUndo(step="b", reason="GONE"))
    undo(story, "a").when_reply(Undone(step="a"))
    return story


def test_refused_compensation_does_not_hold_up_the_others() -> None:
    """The rest is made good, then the saga waits for a person."""
    story = half_made_good()

    story.expect_end("requires_review", reason="NO")
    story.expect_review("b")
    assert kinds(story) == [("failed", "c", "NO"), ("needs_review", "b", "GONE")]


def test_silent_compensation_is_asked_again_then_waits_for_a_person() -> None:
    """The review is told once; the compensations before it go on."""
    story = given_saga(three())
    do(story, "a").when_reply(Done(step="a"))
    do(story, "b").when_silent_for_good()
    undo(story, "b").when_silent()
    undo(story, "b").when_silent()
    undo(story, "a").when_reply(Undone(step="a"))

    story.expect_end("requires_review")
    assert kinds(story)[1:] == [("needs_review", "b", "UNANSWERED")]


@pytest.mark.parametrize("how", ["replied", "settled"])
def test_review_ends_when_all_is_made_good(how: str) -> None:
    """By a participant that succeeded after all, or by a person's word."""
    story = half_made_good()
    if how == "replied":
        story.hears(Undone(step="b"))
    else:
        story.settles("b")

    story.expect_end("compensated")


def test_review_is_told_again_when_the_next_try_fails_too() -> None:
    """Nobody may believe that the retry has worked."""
    story = half_made_good()
    story.hears(CannotUndo(step="b", reason="STILL_GONE"))

    story.expect_end("requires_review")
    assert kinds(story)[-1] == ("needs_review", "b", "STILL_GONE")


def test_late_answer_in_review_does_not_disturb_the_present_compensation() -> None:
    """The saga still waits for the step before."""
    story = given_saga(three())
    do(story, "a").when_reply(Done(step="a"))
    do(story, "b").when_silent_for_good()
    undo(story, "b").when_silent_for_good()
    story.hears(Undone(step="b"))

    story.expect_review()
    undo(story, "a").when_reply(Undone(step="a"))
    story.expect_end("compensated")


def test_settling_what_is_not_in_review_changes_nothing() -> None:
    """A person's word is about what was asked of them."""
    story = half_made_good()
    before = story.state
    story.settles("a")

    assert story.state is before
