"""`explain`: what went wrong with an error, or why an order is where it is.

Section:
    00, "Help"; 13.6, "Why is this order still pending?"
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, overload
from uuid import UUID

from lab_support.workbook.explanations.kernel import explain as explain_in_kernel
from lab_support.workbook.saga_story import SagaStory, tell_saga

if TYPE_CHECKING:
    import httpx  # a notebook that explains no order need not load it


@overload
def explain(subject: BaseException | None = None) -> None: ...


@overload
def explain(subject: UUID | str, client: httpx.AsyncClient) -> Coroutine[Any, Any, SagaStory]: ...


def explain(
    subject: BaseException | UUID | str | None = None, client: httpx.AsyncClient | None = None
) -> Coroutine[Any, Any, SagaStory] | None:
    """Say what went wrong with an error; or, awaited, why an order is where it is.

    `explain()` speaks of the last error shown, `await explain(order_id, client)` of an order.

    Args:
        subject: An error, by default the last one shown; or the id of an order.
        client: With an order, a client for the application that has it.

    Returns:
        For an order what to await: the story, which a notebook shows as a sentence, a table and a diagram.

    Raises:
        TypeError: An order's id came without a client, or something else with one.
        StoryError: When awaited: there is no such order, or Orders did not tell.
    """
    if subject is None or isinstance(subject, BaseException):
        if client is not None:
            raise TypeError("A client is for an order: await explain(order_id, client). An error needs none.")
        explain_in_kernel(subject)
        return None
    if client is None:
        raise TypeError(
            "To explain an order give its id and a client: await explain(order_id, client), with the client of "
            "`async with running_app() as client`."
        )
    return tell_saga(subject, client)
