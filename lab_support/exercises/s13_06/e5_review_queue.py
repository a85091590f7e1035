"""13.6.5: retries and the review queue, judged by the calls, the waits and the message in the row."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import chain, repeat
from typing import Any

from sqlalchemy import select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_06.deliveries import event_about, is_event, new_id, writers
from lab_support.exercises.s13_06.errors import ProviderRefused, ProviderUnavailable
from lab_support.exercises.s13_06.events import OrderFailed
from lab_support.exercises.s13_06.shop import CardBase, Review
from lab_support.exercises.story import Answer, Story
from lab_support.messaging import Event

MOST_CALLS = 5
ENOUGH = 30
ALWAYS = 10_000
LONGEST_WAIT_S = 60.0

review_queue = Exercise(
    id="13.6.5",
    title="Retries and the review queue",
    task="Call the provider again when that may help, and hand the message to a person when it does not.",
    student_writes=("compensate",),
    witness="rows",
    limit_s=20.0,
    hints=(
        "Which errors would be the same the next time? When is it time to stop? And what does a person need, a week "
        "later, to finish what you could not?",
        "A loop of five calls; wait before each but the first. ProviderUnavailable goes on, everything else breaks "
        "the loop. After the loop, one Review with `event.model_dump(mode='json')` in it, in one transaction.",
        "try:\n    await call(event)\n    return\nexcept ProviderUnavailable:\n    reason = ReviewReason.UNAVAILABLE\n"
        "except ProviderRefused:\n    reason = ReviewReason.REFUSED\n    break",
    ),
    misconceptions=(
        Misconception(
            "infinite-retry",
            "You believe that it will work in the end. A provider that is gone for good turns your loop into one that "
            "never ends, and every message behind it waits: stop after five calls, and ask a person.",
            lambda seen: (seen.calls_when_hopeless or 0) >= ENOUGH,
        ),
        Misconception(
            "retries-business-refusal",
            "You believe that every error may pass. The provider has decided, and decides the same again: retry what "
            "is unavailable, not what is refused.",
            lambda seen: (seen.calls_when_refused or 0) > 1,
        ),
        Misconception(
            "loses-the-message",
            "You believe that a failure that is noted is kept. The message was acknowledged, and nobody can read from "
            "your row what was to be done: store the whole event, and let an error out when it cannot be stored.",
            lambda seen: seen.lost,
        ),
    ),
)


class _EnoughError(BaseException):
    """Ends a loop without end; no `except Exception` catches it."""


class _Provider:
    """A card's provider that fails at its first calls, in one way."""

    def __init__(self, attempt: Attempt, failures: int, how: str, text: str) -> None:
        self._attempt, self._failures, self._how, self._text = attempt, failures, how, text
        self.events: list[str] = []
        self.open_connections = 0

    async def __call__(self, event: Event) -> None:
        self.events.append(str(event.event_id))
        self.look()
        if len(self.events) >= ENOUGH:
            raise _EnoughError
        if len(self.events) > self._failures:
            return
        errors = {"unavailable": ProviderUnavailable, "refused": ProviderRefused}
        raise errors.get(self._how, RuntimeError)(self._text)

    def look(self) -> None:
        """Note the connections that are in use while somebody waits."""
        self.open_connections = max(self.open_connections, self._attempt.checked_out)


@review_queue.act
async def deal(
    attempt: Attempt, event: dict[str, Any], failures: int, how: str, draws: list[float], text: str
) -> dict[str, Any]:
    """Deliver one event; the provider fails so often. `draws` are what random() returns, the last one for ever."""
    waits: list[float] = []
    numbers: Iterator[float] = chain(draws, repeat(draws[-1]))
    provider = _Provider(attempt, failures, how, text)

    async def sleep(seconds: float) -> None:
        waits.append(float(seconds))
        provider.look()
        if len(waits) >= ENOUGH:
            raise _EnoughError

    endless = False
    try:
        await attempt.the("compensate")(
            writers(attempt), Event.model_validate(event), provider, sleep=sleep, random=lambda: next(numbers)
        )
    except _EnoughError:
        endless = True
    calls = len(provider.events)
    return {"calls": calls, "waits": waits, "endless": endless, "held": provider.open_connections}


def _message(story: Story) -> dict[str, Any]:
    payload = OrderFailed(reason="OUT_OF_STOCK", amount=Decimal(story.random.randint(100, 9_999)) / 100)
    return event_about(story.random, new_id(story.random), payload)


async def _deal(
    story: Story,
    event: dict[str, Any],
    failures: int,
    how: str = "unavailable",
    draws: tuple[float, ...] = (0.5,),
    **more: Any,
) -> Answer:
    away = "is always unavailable" if failures == ALWAYS else f"is unavailable {failures} time(s)"
    told = {"unavailable": away, "refused": "refuses", "unexpected": "breaks"}[how]
    answer = await story.ask(
        deal, call=f"a message, while the provider {told if failures else 'answers'}", event=event,
        failures=failures, how=how, draws=list(draws), text=f"card token {story.random.getrandbits(32):x}", **more,
    )  # fmt: skip
    story.saw(called=story.seen.called or bool(answer.error is None and answer["calls"]))
    return answer


async def _reviews(story: Story, event: dict[str, Any]) -> list[dict[str, Any]]:
    query = select(Review.event_id, Review.event, Review.reason, Review.state, Review.order_id)
    return await story.rows(query.where(Review.order_id == event["aggregate_id"]).order_by(Review.id))


async def _waits_for_a_person(story: Story, event: dict[str, Any], reason: str, when: str) -> None:
    """Expect one review that holds the whole message."""
    reviews = await _reviews(story, event)
    kept = [is_event(row["event"], event) for row in reviews]
    story.saw(lost=story.seen.lost or (story.seen.called and not any(kept)))
    story.expect(len(reviews) == 1, f"{when}, the message was acknowledged, and the order has no review, or several.",
                 expected="1 review", observed=f"{len(reviews)} reviews")  # fmt: skip
    story.expect(kept[0], "The review does not hold the whole event: nobody can take it up again.",
                 expected="the event, as JSON", observed=reviews[0]["event"])  # fmt: skip
    found = (reviews[0]["reason"], reviews[0]["state"], reviews[0]["event_id"])
    wanted = (reason, "REQUIRES_REVIEW", event["event_id"])
    story.equal(found, wanted, "The review's reason, state or event_id is another.")


@review_queue.scenario("a call that succeeds is made once, and needs nobody")
async def calm(story: Story) -> None:
    await story.create(CardBase.metadata)
    event = _message(story)
    answer = await _deal(story, event, 0)
    story.equal((answer["calls"], answer["waits"]), (1, []), "The provider answered at once.")
    story.equal(await _reviews(story, event), [], "All went well, and a person was called.")


@review_queue.scenario("a provider that comes back is called again, and needs nobody")
async def comes_back(story: Story) -> None:
    await story.create(CardBase.metadata)
    event, failures = _message(story), story.random.randint(2, 4)
    answer = await _deal(story, event, failures)
    story.equal(answer["calls"], failures + 1, "The provider was not called until it answered.")
    story.equal(len(answer["waits"]), failures, "There is not one wait before each further call.")
    story.equal(answer["held"], 0, "You hold a connection while you wait or call: nobody else can use it.")
    story.equal(await _reviews(story, event), [], "All went well in the end, and a person was called.")


@review_queue.scenario("a provider that stays away is given up, and the message waits for a person", points=2)
async def hopeless(story: Story) -> None:
    await story.create(CardBase.metadata)
    event = _message(story)
    answer = await _deal(story, event, ALWAYS)
    story.saw(calls_when_hopeless=max(answer["calls"], len(answer["waits"])))
    observed = "it never ended" if answer["endless"] else f"{answer['calls']} calls"
    story.expect(answer["calls"] == MOST_CALLS, "The calls do not end after the fifth.",
                 expected=f"{MOST_CALLS} calls", observed=observed)  # fmt: skip
    await _waits_for_a_person(story, event, "UNAVAILABLE", "The provider stayed away")


@review_queue.scenario("a refusal is not retried, and the message waits for a person", points=2)
async def refused(story: Story) -> None:
    await story.create(CardBase.metadata)
    for how, reason in (("refused", "REFUSED"), ("unexpected", "UNEXPECTED")):
        event = _message(story)
        answer = await _deal(story, event, ALWAYS, how)
        calls = answer["calls"]
        story.saw(calls_when_refused=max(calls, story.seen.calls_when_refused or 0))
        told = "was refused" if how == "refused" else "met an error that nobody has foreseen"
        story.equal((calls, answer["waits"]), (1, []), f"A call that {told} was made again, or not at all.")
        await _waits_for_a_person(story, event, reason, f"The call {told}")


@review_queue.scenario("a message that waits for a person already is left alone")
async def again(story: Story) -> None:
    await story.create(CardBase.metadata)
    event, other = _message(story), _message(story)
    await _deal(story, event, ALWAYS)
    answer = await _deal(story, event, 0)
    story.equal(answer["calls"], 0, "The message waits for a person, was delivered again, and you called.")
    await _waits_for_a_person(story, event, "UNAVAILABLE", "The message came again")
    story.equal((await _deal(story, other, 0))["calls"], 1, "Another message was left alone too.")


FULL = (
    "CREATE TRIGGER full BEFORE INSERT ON reviews BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
)


@review_queue.scenario("a message that cannot be stored is not acknowledged", points=2)
async def disk_full(story: Story) -> None:
    await story.create(CardBase.metadata)
    event = _message(story)
    await story.write(FULL)
    answer = await _deal(story, event, ALWAYS, "refused", may_fail=True)
    story.saw(lost=story.seen.lost or (answer.error is None and story.seen.called))
    story.expect(answer.error is not None, "The review could not be stored, and yet the message was acknowledged.",
                 expected="the database's error", observed="no error")  # fmt: skip
    await story.write("DROP TRIGGER full")
    await _deal(story, event, ALWAYS, "refused")
    await _waits_for_a_person(story, event, "REFUSED", "The message came again when there was room")


@review_queue.scenario("the waits grow, and differ from client to client")
async def waits(story: Story) -> None:
    await story.create(CardBase.metadata)
    low, high = [
        (await _deal(story, _message(story), ALWAYS, draws=(draw,)))["waits"][:MOST_CALLS]
        for draw in (0.2, 0.9)
    ]
    shown = f"{_shown(low)} and {_shown(high)}"
    story.expect(len(low) == len(high) == MOST_CALLS - 1, "There is not one wait before each further call.",
                 observed=shown)  # fmt: skip
    story.expect(low != high, "Two that drew other random numbers wait equally long.", observed=shown)
    story.expect(low[0] < low[-1] and high[0] < high[-1], "The waits do not grow.", observed=shown)
    story.expect(max(low + high) <= LONGEST_WAIT_S, "A wait is longer than a minute.", observed=shown)


def _shown(seconds: list[float]) -> str:
    return ", ".join(f"{one:.3f}" for one in seconds) + " s"
