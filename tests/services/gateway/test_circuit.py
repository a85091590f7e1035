"""The circuit breaker: what it lets through after which failures, against a model of it, by a clock that is moved."""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from lab_support.services.gateway.circuit import CircuitBreaker, Outcome, Permit, State

REST_S = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(failures=3, rest_s=REST_S, clock=clock)


def call(circuit: CircuitBreaker, outcome: Outcome) -> bool:
    """Make a call that ends so, if the circuit lets it; tell whether it did."""
    permit = circuit.ask()
    if permit is not None:
        circuit.report(permit, outcome)
    return permit is not None


def break_it(circuit: CircuitBreaker) -> None:
    while circuit.state is State.CLOSED:
        call(circuit, Outcome.FAILURE)


def test_circuit_opens_after_so_many_failures_in_a_row(circuit: CircuitBreaker) -> None:
    """Two are bad luck, the third opens it, and no call is made then."""
    assert [call(circuit, Outcome.FAILURE) for _ in range(5)] == [True, True, True, False, False]
    assert circuit.state is State.OPEN


def test_success_between_failures_keeps_it_closed(circuit: CircuitBreaker) -> None:
    """Only failures in a row count."""
    for _ in range(5):
        call(circuit, Outcome.FAILURE)
        call(circuit, Outcome.FAILURE)
        call(circuit, Outcome.SUCCESS)

    assert circuit.state is State.CLOSED
    assert circuit.failed_in_a_row == 0


def test_one_call_tries_after_the_rest(circuit: CircuitBreaker, clock: Clock) -> None:
    """Half open, the first one who asks may call; the others are refused until it has come back."""
    break_it(circuit)
    clock.now += REST_S

    assert circuit.state is State.HALF_OPEN
    probe = circuit.ask()
    assert probe is not None
    assert circuit.ask() is None
    circuit.report(probe, Outcome.SUCCESS)
    assert circuit.state is State.CLOSED
    assert circuit.ask() is not None


def test_failed_probe_begins_a_new_rest(circuit: CircuitBreaker, clock: Clock) -> None:
    """The rest counts from the probe's failure."""
    break_it(circuit)
    clock.now += REST_S
    call(circuit, Outcome.FAILURE)

    assert circuit.state is State.OPEN
    assert circuit.rests_for_s == REST_S


def test_probe_that_was_given_up_leaves_its_place_to_the_next(circuit: CircuitBreaker, clock: Clock) -> None:
    """A caller who goes away in the middle must not keep the circuit half open for ever."""
    break_it(circuit)
    clock.now += REST_S

    assert call(circuit, Outcome.NOTHING)
    assert circuit.state is State.HALF_OPEN
    assert call(circuit, Outcome.SUCCESS)
    assert circuit.state is State.CLOSED


def test_late_answer_from_before_the_break_closes_nothing(circuit: CircuitBreaker) -> None:
    """It says how the service was, not how it is."""
    early = circuit.ask()
    assert early is not None
    break_it(circuit)
    circuit.report(early, Outcome.SUCCESS)

    assert circuit.state is State.OPEN


def test_late_failure_from_before_the_break_does_not_lengthen_the_rest(
    circuit: CircuitBreaker, clock: Clock
) -> None:
    """Else calls that time out one after the other would keep it open for long."""
    early = circuit.ask()
    assert early is not None
    break_it(circuit)
    clock.now += REST_S / 2
    circuit.report(early, Outcome.FAILURE)

    assert circuit.rests_for_s == REST_S / 2


@pytest.mark.parametrize(
    ("failures", "rest_s"), [(0, 1.0), (-1, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))]
)
def test_numbers_that_make_no_sense_are_refused(failures: int, rest_s: float) -> None:
    """In one line, with what was given."""
    with pytest.raises(ValueError, match=f"{failures} and {rest_s}"):
        CircuitBreaker(failures=failures, rest_s=rest_s)


@dataclass
class Model:
    """What the breaker is to do, in the plainest words: the outcomes since it last changed."""

    opened_at: float | None = None
    in_a_row: int = 0
    probe: Permit | None = None


class CircuitMachine(RuleBasedStateMachine):
    """Any interleaving of calls, outcomes and time."""

    permits: Bundle[Permit] = Bundle("permits")

    @initialize(failures=st.integers(1, 4))
    def begin(self, failures: int) -> None:
        self.clock, self.failures = Clock(), failures
        self.circuit = CircuitBreaker(failures=failures, rest_s=REST_S, clock=self.clock)
        self.model, self.current = Model(), set[int]()
        self.asked = list[Permit]()

    @rule(target=permits)
    def ask(self) -> Permit:
        permit = self.circuit.ask()
        resting = self.model.opened_at is not None and self.clock.now < self.model.opened_at + REST_S
        may = self.model.opened_at is None or (not resting and self.model.probe is None)
        assert (permit is not None) == may
        if permit is None:
            return Permit(-1)
        self.current.add(id(permit))
        self.asked.append(permit)  # keeps the id its own
        if self.model.opened_at is not None:
            self.model.probe = permit
        return permit

    @rule(permit=consumes(permits), outcome=st.sampled_from(Outcome))
    def report(self, permit: Permit, outcome: Outcome) -> None:
        self.circuit.report(permit, outcome)
        if id(permit) not in self.current:
            return
        self.current.discard(id(permit))
        was_open = self.model.opened_at is not None
        self.model.probe = None
        if outcome is Outcome.SUCCESS:
            self.model.in_a_row = 0
            if was_open:
                self.model.opened_at = None
                self.current.clear()
        elif outcome is Outcome.FAILURE:
            self.model.in_a_row += 1
            if was_open or self.model.in_a_row >= self.failures:
                self.model.opened_at = self.clock.now
                self.current.clear()

    @rule(seconds=st.sampled_from([0.1, REST_S / 2, REST_S, 3 * REST_S]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def state_is_the_models(self) -> None:
        if not hasattr(self, "model"):
            return
        if self.model.opened_at is None:
            assert self.circuit.state is State.CLOSED
            assert self.circuit.failed_in_a_row < self.failures
        elif self.clock.now < self.model.opened_at + REST_S:
            assert self.circuit.state is State.OPEN
        else:
            assert self.circuit.state is State.HALF_OPEN


TestCircuitMachine = CircuitMachine.TestCase
TestCircuitMachine.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
