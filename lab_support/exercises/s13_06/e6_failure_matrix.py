"""13.6.6: a failure-matrix test, judged by the sagas it tells apart."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_06.card_saga import BROKEN, GOOD, GOOD_TOO, NEVER_RESERVES, variant
from lab_support.exercises.story import Answer, Story
from lab_support.exercises.student_code import means_not_attempted, one_line

UNSEEN_ON_THE_HAPPY_PATH = frozenset(BROKEN) - {NEVER_RESERVES}

failure_matrix = Exercise(
    id="13.6.6",
    title="The failure matrix",
    task="Write a test that tells a good saga from five that are broken where things go wrong.",
    student_writes=("failure_matrix",),
    witness="measured",
    limit_s=20.0,
    hints=(
        "Take the table row by row: each row is a story of its own, with its own end. Which rows does your test not "
        "tell yet?",
        "`story = given_saga(saga, order_id=..., sku=..., quantity=..., amount=...)` begins a story. "
        "`when_silent_for_good()` lets every deadline pass; `story.hears(reply)` lets a copy arrive; each story closes "
        "with `expect_end`.",
        "story.expect(ReserveStock, to='inventory').when_silent_for_good()\n"
        "story.expect(ReleaseStock, to='inventory').when_reply(StockReleased())\n"
        "story.expect(RefundPayment, to='payments').when_reply(PaymentRefunded())\n"
        "story.expect_end('compensated')",
    ),
    misconceptions=(
        Misconception(
            "asserts-nothing",
            "You believe that a test which runs has tested something. Yours accepts every broken saga: say which "
            "command you expect, where, and how the story ends.",
            lambda seen: seen.good_accepted and set(seen.accepted or ()) == set(BROKEN),
        ),
        Misconception(
            "happy-path-only",
            "You believe that a saga which works has been tested when nothing goes wrong. A saga is there for what "
            "goes wrong: let a step fail, stay silent, come twice, and let a compensation be refused.",
            lambda seen: seen.good_accepted and set(seen.accepted or ()) == UNSEEN_ON_THE_HAPPY_PATH,
        ),
    ),
)


@failure_matrix.act
async def run_test(attempt: Attempt, saga: str) -> dict[str, Any]:
    """Run the student's test once against one saga and say how it ended."""
    try:
        ended = attempt.the("failure_matrix")(variant(saga))
        if inspect.isawaitable(ended):
            await ended
    except (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # pytest.fail() raises what is no Exception
        if means_not_attempted(error):
            raise
        return {"passed": False, "text": one_line(error)}
    return {"passed": True, "text": ""}


async def _meets(story: Story, saga: str) -> Answer:
    """Run the test against a saga whose name the call does not tell."""
    what = "a broken saga" if saga in BROKEN else "a good saga"
    return await story.ask(run_test, call=f"your test against {what}", fresh_process=True, saga=saga)


@failure_matrix.scenario("the test passes on a good saga, however it is built")
async def passes_on_the_good_ones(story: Story) -> None:
    for saga in (GOOD, GOOD_TOO):
        answer = await _meets(story, saga)
        story.saw(good_accepted=answer["passed"])
        message = f"Your test fails on a saga that {saga}."
        story.expect(answer["passed"], message, expected="it passes", observed=answer["text"])


@failure_matrix.scenario("the test fails on each of five broken sagas", points=4)
async def fails_on_the_broken_ones(story: Story) -> None:
    broken = story.random.sample(sorted(BROKEN), len(BROKEN))
    accepted = [saga for saga in broken if (await _meets(story, saga))["passed"]]
    story.saw(accepted=accepted)
    which = f"a saga that {accepted[0]}" if accepted else ""
    more = f" So it does on {len(accepted) - 1} more." if len(accepted) > 1 else ""
    story.expect(not accepted, f"Your test passes on {which}.{more}",
                 expected="it fails on 5 of 5", observed=f"it fails on {len(BROKEN) - len(accepted)} of 5")  # fmt: skip
