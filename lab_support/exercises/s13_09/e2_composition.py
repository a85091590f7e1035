"""13.9.2: composition, judged by its answers and its time, on a clock that jumps."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_09.virtual_time import run_in_virtual_time
from lab_support.exercises.story import Answer, Story

SERVICES = ("orders", "payments", "shipments", "messages")
LIMIT_S = 60.0
EXACT_S = 0.001
YIELDS = 20

composition = Exercise(
    id="13.9.2",
    title="Composition",
    task="Compose one answer from four services, under one deadline, and say what is missing.",
    student_writes=("order_page",),
    witness="measured",
    limit_s=20.0,
    hints=(
        "Three questions. How long do four calls take that wait for each other? What does a customer get who asks for "
        "an order while the reviews are down? And how long does he wait for a service that never answers?",
        "A coroutine for each part that catches its own errors: `httpx.HTTPError`, `ValueError` for a body that is no "
        "JSON, and `TimeoutError` from `asyncio.timeout(deadline_s)`. An `asyncio.TaskGroup` runs all of them at once, "
        "and ends them when the caller hangs up. httpx's own timeout is for each read, not for the whole answer.",
        "async def part(name, client):\n    try:\n        async with asyncio.timeout(deadline_s):\n"
        "            answer = await client.get(f'/{name}/{order_id}')\n"
        "    except (TimeoutError, httpx.HTTPError, ValueError):\n        missing.append(name)\n"
        "async with asyncio.TaskGroup() as group:\n    for name, client in clients.items():\n"
        "        group.create_task(part(name, client))",
    ),
    misconceptions=(
        Misconception(
            "one-by-one",
            "You believe that four short calls are short. Each waited for the one before, so their times add up: start "
            "all of them, then wait; the slowest alone decides.",
            lambda seen: seen.most_at_once == 1,
        ),
        Misconception(
            "fails-whole",
            "You believe that an answer is whole or none. One service was down, and the customer saw nothing of the "
            "other three: let each part fail by itself, and name it in `missing`.",
            lambda seen: seen.whole_lost and seen.most_at_once > 1,
        ),
        Misconception(
            "no-deadline",
            "You believe that services answer or refuse. Some do neither, or send a byte now and then for ever; then "
            "the slowest decides how long everybody waits: put one deadline around each whole call.",
            lambda seen: seen.late and seen.most_at_once > 1,
        ),
    ),
)


@composition.act
async def compose(
    attempt: Attempt, order_id: str, services: dict[str, dict[str, Any]], deadline_s: float, hang_up_s: float
) -> dict[str, Any]:
    """Have a page composed in virtual time; with `hang_up_s`, the caller hangs up so many seconds later."""
    import httpx  # here, for it takes longer to import than the rest of this package

    from lab_support.exercises.s13_09.fake_services import Calls, FakeService

    calls = Calls()

    async def ask() -> tuple[Any, float, int]:
        async with AsyncExitStack() as opened:
            clients = {
                name: await opened.enter_async_context(
                    httpx.AsyncClient(
                        transport=FakeService(calls, f"/{name}/{order_id}", does),
                        base_url=f"http://{name}",
                        timeout=None,  # noqa: S113 - whose deadline counts is the question
                    )
                )
                for name, does in services.items()
            }
            page = await _until(attempt.the("order_page")(order_id, clients, deadline_s), hang_up_s)
            ended_s = asyncio.get_running_loop().time()
            for _ in range(YIELDS):  # a cancelled call needs some turns to end
                await asyncio.sleep(0)
            return page, ended_s, calls.open

    took = run_in_virtual_time(ask(), limit_s=LIMIT_S)
    page, seconds, left = took.value or (None, took.seconds, calls.open)
    return {"page": page, "seconds": seconds, "ended": took.ended, "most_at_once": calls.most, "left": left}


async def _until(page: Any, hang_up_s: float) -> Any:
    if not hang_up_s:
        return await page
    task = asyncio.ensure_future(page)
    await asyncio.wait([task], timeout=hang_up_s)
    task.cancel()
    return (await asyncio.gather(task, return_exceptions=True))[0] if task.done() else None


class _Shop:
    """Four services, an order that nobody can foresee, and what a right page of it shows."""

    def __init__(self, story: Story) -> None:
        draw, self.story = story.random, story
        self.order_id = f"{draw.getrandbits(48):x}"
        self.parts: dict[str, Any] = {name: {"seen": draw.getrandbits(30)} for name in SERVICES}
        late = draw.sample(range(5, 40), len(SERVICES))
        self.services = {
            name: {
                "how": "answers",
                "after_s": one / 100,
                "status": 200,
                "body": json.dumps(self.parts[name]),
            }
            for name, one in zip(SERVICES, late, strict=True)
        }
        self.missing: list[str] = []
        self.deadline_s = draw.randint(100, 200) / 100

    def be(self, name: str, *, missing: bool = True, **behaviour: Any) -> None:
        """Have a service behave otherwise."""
        self.services[name].update(behaviour)
        self.parts[name] = None
        if missing:
            self.missing = sorted([*self.missing, name])

    async def asked(self, call: str, *, may_fail: bool = False, hang_up_s: float = 0.0) -> Answer:
        """Ask for the page, and note how many calls were open at once."""
        answer = await self.story.ask(
            compose, call=f"order_page(…): {call}", may_fail=may_fail, order_id=self.order_id,
            services=self.services, deadline_s=self.deadline_s, hang_up_s=hang_up_s,
        )  # fmt: skip
        if answer.error is None:
            self.story.saw(most_at_once=max(self.story.seen.most_at_once or 0, answer["most_at_once"]))
        return answer

    def lost(self, answer: Answer) -> bool:
        """Whether all is lost, though most services answer."""
        if answer.error is not None:
            return True
        parts = answer["page"].get("parts") if isinstance(answer["page"], dict) else None
        return bool(answer["ended"]) and not any((parts or {}).values())

    async def partial(self, call: str) -> Answer:
        """Ask while not all is well; note whether the whole page is lost."""
        answer = await self.asked(call, may_fail=True)
        self.story.saw(whole_lost=self.story.seen.whole_lost or self.lost(answer))
        raised = answer.error.text if answer.error else ""
        self.story.expect(answer.error is None, "The whole page fails because one service does.",
                          expected=f"a page without {', '.join(self.missing)}", observed=raised)  # fmt: skip
        return answer

    def shows(self, answer: Answer) -> None:
        """Expect the page to be right."""
        page = answer["page"]
        self.story.expect(
            isinstance(page, dict), "What came back is no page.", expected="a dict", observed=page
        )
        self.story.equal(page["parts"], self.parts, "The parts are others.")
        self.story.equal(sorted(page["missing"]), self.missing, "`missing` names others.")
        self.story.equal(page["order_id"], self.order_id, "The page is about another order.")


@composition.scenario("the slowest call bounds the total", points=3)
async def calm(story: Story) -> None:
    shop = _Shop(story)
    answer = await shop.asked("all four answer")
    shop.shows(answer)
    slowest = max(float(str(one["after_s"])) for one in shop.services.values())
    story.expect(answer["seconds"] <= slowest + EXACT_S, "The calls wait for each other.",
                 expected=f"{slowest:g} s, as long as the slowest", observed=f"{answer['seconds']:g} s")  # fmt: skip


@composition.scenario("a service that fails costs its own part, and no other", points=3)
async def down(story: Story) -> None:
    status = story.random.choice([500, 502, 503])
    for call, behaviour in (
        ("one refuses the connection", {"how": "refuses"}),
        (f"one answers {status}", {"status": status, "body": '{"detail": "down"}'}),
        ("one answers 200 with a body that is no JSON", {"body": "<html>Welcome!</html>"}),
    ):
        shop = _Shop(story)
        shop.be(story.random.choice(SERVICES), **behaviour)
        shop.shows(await shop.partial(call))
    shop = _Shop(story)
    shop.be(story.random.choice(SERVICES), missing=False, status=404, body='{"detail": "none"}')
    shop.shows(await shop.partial("one has nothing about the order, and says so by 404"))


@composition.scenario("whatever a service does, the page comes within the deadline", points=3)
async def slow(story: Story) -> None:
    for call, how in (("one never answers", "hangs"), ("one sends a byte now and then, for ever", "drips")):
        shop = _Shop(story)
        shop.be(story.random.choice(SERVICES), how=how)
        answer = await shop.partial(call)
        late = not answer["ended"] or answer["seconds"] > shop.deadline_s + EXACT_S
        story.saw(late=story.seen.late or late)
        told = f"after {answer['seconds']:g} s" if answer["ended"] else f"no page within {LIMIT_S:g} s"
        story.expect(
            not late, "The page misses its deadline.", expected=f"{shop.deadline_s:g} s", observed=told
        )
        shop.shows(answer)


@composition.scenario("no call outlives the page")
async def left(story: Story) -> None:
    shop = _Shop(story)
    for name in story.random.sample(SERVICES, 2):
        shop.be(name, how="hangs")
    answer = await shop.partial("two never answer")
    story.equal(answer["left"], 0, "When the page is there, so many calls are still running.")
    answer = await shop.asked("the caller hangs up half-way", hang_up_s=shop.deadline_s / 2)
    story.equal(answer["left"], 0, "When the caller has hung up, so many calls are still running.")
