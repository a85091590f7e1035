"""The split shop as a state machine: Hypothesis looks for the shortest sequence of turns that ends wrong."""

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lab_support.services.payments.simulated_provider import EVERYBODY, Outcome
from lab_support.services.split import NAMES
from tests.proof.invariants import Books
from tests.proof.quiet import become_quiet
from tests.proof.simulated_bus import Misfortunes, SimulatedLog
from tests.proof.simulation import CUSTOMERS, SKUS, same_ids, stage

numbers = st.integers(0, 999)
CALLS = ("charge", "refund")
QUIETLY = settings(deadline=None, suppress_health_check=list(HealthCheck))


class Shop(RuleBasedStateMachine):
    """Every turn that a running shop could take, in any sequence."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        self._runner = self._open.enter_context(asyncio.Runner())

    @initialize(seed=numbers)
    def opens(self, seed: int) -> None:
        self._open.enter_context(same_ids(seed))
        played = self._open.enter_context(stage())
        self.log = SimulatedLog(Random(seed), Misfortunes(duplicate=0, reorder=0, unconfirmed=0, away=0))
        self.world = self.do(played.fresh_world(self.log.random, self.log, provider_seed=None))
        self.do(self.world.start())
        self.books = self.do(Books.of(self.world))

    @rule(
        coordination=st.sampled_from(["choreography", "orchestration"]),
        pay_by=st.sampled_from(["credit", "card"]),
        customer=st.sampled_from(sorted(set(CUSTOMERS))),
        items=st.dictionaries(st.sampled_from(sorted(set(SKUS))), st.integers(1, 3), min_size=1, max_size=2),
    )
    def somebody_orders(self, coordination: Any, pay_by: Any, customer: str, items: dict[str, int]) -> None:
        self.do(self.world.place(coordination, pay_by, customer, items))

    @rule(name=st.sampled_from(NAMES))
    def a_relay_publishes(self, name: str) -> None:
        self.world.touch(name)
        self.do(self.world.parts[name].relay.turn())

    @rule(which=numbers, place=st.integers(0, 5), again=st.booleans())
    def a_message_arrives(self, which: int, place: int, again: bool) -> None:
        waiting = [one for one in self.world.subscriptions if one.queue]
        if waiting:
            one = waiting[which % len(waiting)]
            self.world.touch(one.group)
            assert self.do(one.deliver_at(place % len(one.queue), again=again)) == "acknowledged"

    @rule()
    def everything_arrives(self) -> None:
        for one in self.world.subscriptions:
            self.world.touch(one.group)
            self.do(one.deliver(limit=50))

    @rule(name=st.sampled_from(NAMES))
    def the_workers_work(self, name: str) -> None:
        self.world.touch(name)
        for worker in self.world.parts[name].workers:
            self.do(worker.turn())

    @rule(seconds=st.sampled_from([0.5, 5, 20, 60, 3600, -10, -3600]))
    def the_clock_jumps(self, seconds: float) -> None:
        self.world.clock.move(seconds)

    @rule(call=st.sampled_from(CALLS), outcome=st.sampled_from(list(Outcome)))
    def the_provider_will_behave(self, call: Any, outcome: Outcome) -> None:
        self.do(self.world.provider.script(EVERYBODY, outcome, call=call))

    @rule()
    def everything_is_restarted(self) -> None:
        self.do(self.world.restart())

    @rule(resolution=st.sampled_from(["retry", "settled"]))
    def a_person_decides(self, resolution: Any) -> None:
        reviews = self.world.desks["choreography"].reviews
        self.world.touch("orders")
        for review in self.do(reviews.listed(open_only=True)):
            self.do(reviews.resolve(review.id, resolution, "looked at"))

    @invariant()
    def no_end_changes(self) -> None:
        if hasattr(self, "books"):
            (orders,) = self.do(self.world.rows("orders", "orders"))
            assert self.books.watch({one.id: one.status for one in orders}) == []

    def teardown(self) -> None:
        """Come to rest, and look at the books."""
        with self._open:
            if not hasattr(self, "books"):
                return
            try:
                assert self.do(become_quiet(self.world)) == []
                assert self.do(self.books.violations(self.world)) == []
            finally:
                self.do(self.world.stop())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)


class LongShop(Shop):
    """The same, for `make torture`."""


class TestShop(Shop.TestCase):  # type: ignore[name-defined]
    settings = settings(QUIETLY, max_examples=20, stateful_step_count=30, derandomize=True)


@pytest.mark.torture
class TestLongShop(LongShop.TestCase):  # type: ignore[name-defined]
    settings = settings(QUIETLY, max_examples=1500, stateful_step_count=60)
