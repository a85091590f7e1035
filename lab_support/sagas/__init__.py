"""The machinery of sagas: steps and their compensations, the saga log, resumption, retries that end (13.5, 13.6).

Knows no service. May import `messaging`, `database`, `pools` and `settings`.
"""

from lab_support.sagas.compensations import CompensationMixin, Task, register, resolve
from lab_support.sagas.compensator import Action, Compensator, Failed, RefusedError
from lab_support.sagas.definition import SagaDefinition, SagaDefinitionError, Step, When
from lab_support.sagas.log import SagaMixin
from lab_support.sagas.orchestrator import Orchestrator
from lab_support.sagas.outcome import Callback, Callbacks, Outcome
from lab_support.sagas.retries import RetryPolicy
from lab_support.sagas.timekeeper import Timekeeper
from lab_support.sagas.workers import PollingWorker

__all__ = [
    "Action",
    "Callback",
    "Callbacks",
    "CompensationMixin",
    "Compensator",
    "Failed",
    "Orchestrator",
    "Outcome",
    "PollingWorker",
    "RefusedError",
    "RetryPolicy",
    "SagaDefinition",
    "SagaDefinitionError",
    "SagaMixin",
    "Step",
    "Task",
    "Timekeeper",
    "When",
    "register",
    "resolve",
]
