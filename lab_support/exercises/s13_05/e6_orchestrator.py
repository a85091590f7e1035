"""13.5.6: a durable orchestrator, judged by the calls that services got and by what is left, whenever it dies."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from lab_support.database import SimulatedDeath
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_05.deaths import MOST_MOMENTS, life_on, writers
from lab_support.exercises.s13_05.saga_services import Services, calls_of, done_of
from lab_support.exercises.s13_05.saga_steps import OrchestratorBase, SagaState
from lab_support.exercises.story import Answer, Story

WORDS = ("take_credit", "reserve_stock", "book_courier", "print_label", "wrap", "insure", "weigh")
STEPS = 3

orchestrator = Exercise(
    id="13.5.6",
    title="The orchestrator",
    task="Run the steps of a saga, or undo them, so that a run that dies anywhere can be taken up by the next one.",
    student_writes=("run",),
    witness="rows",
    limit_s=30.0,
    hints=(
        "Let the process die after the second action. What does the next run read, and where? And who undoes a step "
        "whose answer never came?",
        "Commit `step` before you call its action: then its compensation is registered. Count up while RUNNING, and "
        "down while COMPENSATING, with a commit for each step.",
        'while saga.state == "COMPENSATING":\n    await steps[saga.step].compensation(saga_id)\n    saga.step -= 1\n'
        '    if saga.step < 0:\n        saga.state = "COMPENSATED"\n    await session.commit()',
    ),
    misconceptions=(
        Misconception(
            "state-in-memory",
            "You believe that the process remembers how far it came. The next one knew nothing and began again: "
            "commit each step to SagaState before you go on, and read it first.",
            lambda seen: seen.runs_when_calm and seen.began_again,
        ),
        Misconception(
            "forward-order-compensation",
            "You believe that the order of undoing does not matter. A later step builds on an earlier one, so the "
            "last is undone first: count backwards.",
            lambda seen: seen.compensated_forwards and not seen.began_again,
        ),
        Misconception(
            "registers-after-action",
            "You believe that a step which failed did nothing. Its answer was lost, its effect is there, and nobody "
            "undoes it: register the step before its action, and compensate it too.",
            lambda seen: seen.failed_step_left and not seen.compensated_forwards and not seen.began_again,
        ),
    ),
)


@orchestrator.act
async def drive(
    attempt: Attempt, saga_id: str, names: list[str], fails: dict[str, str], ends_at: int = 0
) -> dict[str, Any]:
    """Run a saga with fresh sessions and steps; the process ends at a moment, if asked for."""
    state = None
    with life_on(attempt.engine, ends_at) as life:
        steps = Services(attempt.engine.url, life, fails).steps(names)
        try:
            state = await attempt.the("run")(writers(attempt), UUID(saga_id), steps)
        except SimulatedDeath:
            if not life.over:
                raise
    return {"state": state, "died": life.over, "moments": life.moments}


class _Saga:
    """One saga of random steps, what its services were asked for, and how it ended."""

    def __init__(self, story: Story, fails_at: int | None, how: str = "") -> None:
        self._story = story
        self.id = UUID(int=story.random.getrandbits(128))
        self.names = story.random.sample(WORDS, STEPS)
        self.fails_at = fails_at
        self._fails = {} if fails_at is None else {self.names[fails_at]: how}
        plan = "all steps succeed" if fails_at is None else f"step {fails_at + 1} of {STEPS} fails ({how})"
        self.plan = f"run(sessions, saga_id, steps): {plan}"

    async def drive(self, then: str = "", **more: Any) -> Answer:
        """Have the student run it."""
        return await self._story.ask(drive, call=f"{self.plan}{then}", saga_id=str(self.id), names=self.names,
                                     fails=self._fails, **more)  # fmt: skip

    def calls(self) -> list[tuple[str, int]]:
        """Return the calls so far, as (kind, number of the step)."""
        return [(kind, self.names.index(name)) for kind, name in calls_of(self._story.engine.url, self.id)]

    def done(self) -> list[int]:
        """Return the numbers of the steps whose effect is there."""
        return sorted(self.names.index(name) for name in done_of(self._story.engine.url, self.id))

    @property
    def end(self) -> str:
        """How it must end."""
        return "COMPLETED" if self.fails_at is None else "COMPENSATED"


def _say(calls: list[tuple[str, int]]) -> str:
    """Write calls in words, steps counted from 1."""
    return (
        ", ".join(f"{'do' if kind == 'action' else 'undo'} {number + 1}" for kind, number in calls)
        or "nothing"
    )


def _began_again(before: list[tuple[str, int]], after: list[tuple[str, int]]) -> bool:
    """Whether a run called actions that the one before had left behind it."""
    reached = max((number for kind, number in before if kind == "action"), default=-1)
    undoing = any(kind == "compensation" for kind, _ in before)
    return any(kind == "action" and (undoing or number < reached) for kind, number in after)


def _each_once(numbers: list[int]) -> list[int]:
    """Drop what directly repeats the one before: the call during which a process died."""
    return [one for place, one in enumerate(numbers) if place == 0 or numbers[place - 1] != one]


async def _judge(story: Story, saga: _Saga, answer: Answer, told: str) -> None:
    """Expect a saga to have ended as it must: its calls, what is left at the services, its row."""
    calls, done = saga.calls(), saga.done()
    undone = _each_once([number for kind, number in calls if kind == "compensation"])
    last = STEPS - 1 if saga.fails_at is None else saga.fails_at
    forwards = len(undone) > 1 and undone == sorted(undone)
    story.saw(
        compensated_forwards=story.seen.compensated_forwards or forwards,
        failed_step_left=story.seen.failed_step_left
        or (done == [saga.fails_at] and saga.fails_at not in undone),
    )
    acted = _each_once([number for kind, number in calls if kind == "action"])
    story.equal(
        acted, list(range(last + 1)), f"The actions were not called in order, as far as the saga goes{told}."
    )
    if saga.fails_at is None:
        story.equal(done, list(range(STEPS)), f"A saga whose steps all succeed was not carried out{told}.")
    else:
        story.expect(not forwards, f"The steps were undone in the order of their actions{told}.",
                     expected="the last one first", observed=_say(calls))  # fmt: skip
        left = ", ".join(f"step {number + 1}" for number in done)
        story.expect(not done, f"The saga failed, and something of it is left{told}.",
                     expected="nothing", observed=f"{left}; calls: {_say(calls)}")  # fmt: skip
        ways = [list(range(last, -1, -1)), list(range(last - 1, -1, -1))]
        story.expect(undone in ways, f"The steps were not undone one after the other, the last one first{told}.",
                     observed=_say(calls))  # fmt: skip
    await _judge_state(story, saga, answer, told)


async def _judge_state(story: Story, saga: _Saga, answer: Answer, told: str) -> None:
    rows = await story.rows(select(SagaState.state).where(SagaState.saga_id == saga.id))
    story.equal(
        [row["state"] for row in rows], [saga.end], f"SagaState does not say how the saga ended{told}."
    )
    story.equal(answer["state"], saga.end, f"run did not return how the saga ended{told}.")


async def _calm(story: Story, fails_at: int | None, how: str = "") -> None:
    """Run a saga to its end, and once more."""
    saga = _Saga(story, fails_at, how)
    await _judge(story, saga, await saga.drive(), "")
    calls = saga.calls()
    again = await saga.drive("; run again after its end")
    story.equal(_say(saga.calls()[len(calls) :]), "nothing", "A saga that had ended was run again.")
    await _judge_state(story, saga, again, " when it was run again")


@orchestrator.scenario("a saga whose steps all succeed is completed, once")
async def completed(story: Story) -> None:
    await story.create(OrchestratorBase.metadata)
    await _calm(story, None)
    story.saw(runs_when_calm=True)


@orchestrator.scenario("a saga with a failing step is undone, last step first", points=2)
async def compensated(story: Story) -> None:
    await story.create(OrchestratorBase.metadata)
    for fails_at, how in ((STEPS - 1, "refused"), (0, "refused"), (STEPS - 1, "no answer"), (0, "no answer")):
        await _calm(story, fails_at, how)


async def _die_and_resume(
    story: Story, fails_at: int | None, ends_at: int, moment: str, *, fresh: bool = False
) -> None:
    saga = _Saga(story, fails_at, "no answer")
    await saga.drive(f"; the process ends {moment}", ends_at=ends_at, fresh_process=fresh)
    before = saga.calls()
    answer = await saga.drive(f"; the process ended {moment}; run again", fresh_process=fresh)
    after = saga.calls()[len(before) :]
    again = _began_again(before, after)
    story.saw(began_again=again)
    story.expect(not again, f"The process ended {moment}, and the next one began again.",
                 expected="go on where it ended", observed=f"{_say(before)} | {_say(after)}")  # fmt: skip
    await _judge(story, saga, answer, f", after the process had ended {moment}")


async def _die_everywhere(story: Story, fails_at: int | None) -> None:
    """Let the process die at each moment but those behind a statement, which a commit follows.

    Of a saga that fails only the moments from its last action on are new.
    """
    await story.create(OrchestratorBase.metadata)
    moments = (await _Saga(story, fails_at, "no answer").drive())["moments"][:MOST_MOMENTS]
    last = max((place for place, one in enumerate(moments) if one.startswith("after the action")), default=0)
    for number, moment in enumerate(moments, start=1):
        if "statement" not in moment and (fails_at is None or number > last):
            await _die_and_resume(story, fails_at, number, moment.rpartition(" of ")[0] or moment)


@orchestrator.scenario("a run that dies anywhere on its way is taken up by the next", points=3)
async def dies_on_the_way(story: Story) -> None:
    await _die_everywhere(story, None)


@orchestrator.scenario("a run that dies anywhere on its way back is taken up by the next", points=3)
async def dies_on_the_way_back(story: Story) -> None:
    await _die_everywhere(story, STEPS - 1)


@orchestrator.scenario("another process takes up what one began")
async def another_process(story: Story) -> None:
    await story.create(OrchestratorBase.metadata)
    moments = (await _Saga(story, None).drive())["moments"]
    second = [
        number for number, moment in enumerate(moments, start=1) if moment.startswith("after the action")
    ][1]
    await _die_and_resume(story, None, second, "after the second action", fresh=True)
