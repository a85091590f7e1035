"""Any saga, any interleaving of replies, copies, late messages and silence: it ends, and it ends right."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from trial_sagas import CannotUndo, Data, Do, Done, Failed, Undo, Undone, saga, step

from lab_support.sagas.decide import begin, decide
from lab_support.sagas.definition import SagaDefinition
from lab_support.sagas.state import Decision, Reply, SagaState, Settled, Silence

NAMES = "abcde"
REPLIES = (Done, Failed, Undone, CannotUndo)


@st.composite
def sagas(draw: st.DrawFn) -> SagaDefinition:
    """One to five steps, some of which leave nothing to make good, with a pivot somewhere or without one."""
    names = NAMES[: draw(st.integers(1, 5))]
    pivot = draw(st.none() | st.integers(0, len(names) - 1))
    steps = []
    for place, name in enumerate(names):
        late = pivot is not None and place > pivot
        steps.append(step(name, undo=draw(st.booleans()), after_pivot=late, pivot=place == pivot))
    return saga(*steps)


class AnySaga(RuleBasedStateMachine):
    """One saga, and everything that could reach it."""

    replies = Bundle("replies")
    definition: SagaDefinition
    state: SagaState

    @initialize(definition=sagas())
    def starts(self, definition: SagaDefinition) -> None:
        self.definition = definition
        self.sent: list[Any] = []
        self.told: list[str] = []
        self.turned_with: tuple[str, ...] | None = None
        self.hear_decision(begin(definition, Data()))

    @rule(target=replies, kind=st.sampled_from(REPLIES))
    def the_step_in_question_answers(self, kind: Any) -> Any:
        reply = kind(step=self.state.step or "a")
        self.hear(Reply(reply))
        return reply

    @rule(target=replies, kind=st.sampled_from(REPLIES), name=st.sampled_from(NAMES))
    def somebody_says_anything(self, kind: Any, name: str) -> Any:
        reply = kind(step=name)
        self.hear(Reply(reply))
        return reply

    @rule(reply=replies)
    def a_message_comes_again(self, reply: Any) -> None:
        self.hear(Reply(reply))

    @rule()
    def nobody_answers(self) -> None:
        self.hear(Silence())

    @precondition(lambda self: self.state.in_review)
    @rule(data=st.data())
    def a_person_settles_a_review(self, data: st.DataObject) -> None:
        self.hear(Settled(data.draw(st.sampled_from(self.state.in_review))))

    @invariant()
    def its_fate_is_told_once(self) -> None:
        assert self.told.count("completed") + self.told.count("failed") <= 1
        if self.state.status in ("COMPLETED", "COMPENSATED"):
            assert self.told.count("completed" if self.state.status == "COMPLETED" else "failed") == 1

    @invariant()
    def compensations_go_backward(self) -> None:
        """What was sent is the beginning of the registered steps, read backward; at the end it is all of them."""
        undone = list(dict.fromkeys(one.step for one in self.sent if isinstance(one, Undo)))
        due = list(reversed(self.turned_with or ()))
        ended = self.state.step is None
        assert undone == (due if ended else due[: len(undone)])

    @invariant()
    def a_step_is_registered_before_it_is_asked(self) -> None:
        for one in self.sent:
            made_good = self.definition.step(one.step).compensation is not None
            failed_for_certain = one.step == self.state.failed_step
            assert not made_good or failed_for_certain or one.step in self.state.registered

    @invariant()
    def nothing_is_compensated_after_the_pivot(self) -> None:
        asked = {one.step for one in self.sent if isinstance(one, Do)}
        if any(self.definition.goes_forward_only(self.definition.step(name)) for name in asked):
            assert not any(isinstance(one, Undo) for one in self.sent)

    def teardown(self) -> None:
        """With nothing but silence it ends; with a person's word about each review it is over."""
        if not hasattr(self, "state"):
            return
        for _ in range(4 * len(NAMES)):
            self.hear(Silence())
        assert self.state.status in ("COMPLETED", "COMPENSATED", "REQUIRES_REVIEW")
        for _ in range(len(NAMES)):
            for name in self.state.in_review:
                self.hear(Settled(name))
            self.hear(Silence())
            self.hear(Silence())
        assert self.state.status in ("COMPLETED", "COMPENSATED")
        self.compensations_go_backward()
        self.its_fate_is_told_once()

    def hear(self, incoming: Any) -> None:
        before = self.state
        decision = decide(self.definition, before, incoming)
        if before.status in ("COMPLETED", "COMPENSATED"):
            assert decision == Decision(before)
        self.hear_decision(decision)

    def hear_decision(self, decision: Decision) -> None:
        self.state = decision.state
        self.told += [call.kind for call in decision.calls]
        if "failed" in [call.kind for call in decision.calls]:
            self.turned_with = decision.state.registered
            self.check_that_doubts_are_made_good(decision.state)
        if decision.send is not None:
            self.sent.append(decision.send.command)
            assert decision.send.step.name == self.state.step

    def check_that_doubts_are_made_good(self, state: SagaState) -> None:
        """A step that was asked twice, or never answered, may have happened after it was given up."""
        asked = [one.step for one in self.sent if isinstance(one, Do)].count(state.failed_step or "")
        can_be_made_good = self.definition.step(state.failed_step or "").compensation is not None
        assert (state.failed_step in state.registered) == (asked > 1 and can_be_made_good)


AnySaga.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True
)
TestAnySaga = AnySaga.TestCase
