"""The sagas of placing an order: the failure matrix, and their words as the participants read them."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from lab_support.messaging import EventTypes
from lab_support.sagas import Outcome
from lab_support.sagas.testing import Story, given_saga
from lab_support.services.customers import events as customers
from lab_support.services.inventory import events as inventory
from lab_support.services.orders import commands
from lab_support.services.orders import events as orders
from lab_support.services.orders.commands import (
    ChargePayment,
    RefundPayment,
    ReleaseCredit,
    ReleaseStock,
    ReserveCredit,
    ReserveStock,
    VerifyCustomer,
)
from lab_support.services.orders.sagas import (
    COMPENSATION_OF,
    PLACE_ORDER,
    PLACE_ORDER_BY_CARD,
    PLACE_ORDER_ON_CREDIT,
    PlaceOrder,
    failed_state,
)
from lab_support.services.payments import events as payments
from lab_support.services.vocabulary import Line

ORDER = UUID("00000000-0000-4000-8000-000000000042")
TOTAL = Decimal("49.80")
ITEMS = [Line(sku="LAMP-7", quantity=2)]
ABOUT: dict[str, Any] = {"order_id": ORDER}


def placed(pay_by: Any) -> Story:
    return given_saga(
        PLACE_ORDER[pay_by], order_id=ORDER, customer_id="ada", pay_by=pay_by, total=TOTAL, items=ITEMS
    )


def reserves_credit(story: Story) -> Any:
    return story.expect(ReserveCredit, to="customer.commands", customer_id="ada", amount=TOTAL, items=ITEMS)


def verifies(story: Story) -> Any:
    return story.expect(VerifyCustomer, to="customer.commands", customer_id="ada")


def charges(story: Story) -> Any:
    return story.expect(ChargePayment, to="payment.commands", customer_id="ada", amount=TOTAL)


def reserves_stock(story: Story, pay_by: str) -> Any:
    return story.expect(ReserveStock, to="stock.commands", items=ITEMS, pay_by=pay_by)


CREDIT_RESERVED = orders.CustomerCreditReserved(**ABOUT, amount=TOTAL)
VERIFIED = orders.CustomerVerified(**ABOUT)
PAID = orders.PaymentSuccessful(**ABOUT, amount=TOTAL)
NO_STOCK = orders.StockUnavailable(**ABOUT, sku="LAMP-7", reason="OUT_OF_STOCK")
NO_PIECES = orders.InventoryReservationFailed(**ABOUT, sku="LAMP-7", reason="OUT_OF_STOCK")
RELEASED = orders.CustomerCreditReleased(**ABOUT, amount=TOTAL)
REFUNDED = orders.PaymentRefunded(**ABOUT, amount=TOTAL)


def nothing(action: Any) -> BaseModel:
    return orders.NothingToCompensate(**ABOUT, action=action)


def test_order_on_credit_stands_when_credit_and_stock_are_reserved() -> None:
    story = placed("credit")
    reserves_credit(story).when_reply(CREDIT_RESERVED)
    reserves_stock(story, "credit").when_reply(orders.StockReserved(**ABOUT))
    story.expect_end("completed")


def test_order_by_card_stands_when_paid_and_reserved() -> None:
    story = placed("card")
    verifies(story).when_reply(VERIFIED)
    charges(story).when_reply(PAID)
    reserves_stock(story, "card").when_reply(orders.InventoryReserved(**ABOUT))
    story.expect_end("completed")


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (orders.CustomerCreditLimitExceeded(**ABOUT, reason="CREDIT_LIMIT_EXCEEDED"), "FAILED_NO_CREDIT"),
        (orders.CustomerVerificationFailed(**ABOUT, reason="UNKNOWN_CUSTOMER"), "FAILED_VERIFICATION"),
        (orders.CustomerVerificationFailed(**ABOUT, reason="CUSTOMER_BLOCKED"), "FAILED_VERIFICATION"),
    ],
    ids=["limit", "unknown", "blocked"],
)
def test_refused_credit_leaves_nothing_to_make_good(reply: Any, state: str) -> None:
    story = placed("credit")
    reserves_credit(story).when_reply(reply)

    story.expect_end("compensated", reason=reply.reason)
    assert state_of(story) == state


def test_credit_is_released_when_stock_runs_out() -> None:
    story = placed("credit")
    reserves_credit(story).when_reply(CREDIT_RESERVED)
    reserves_stock(story, "credit").when_reply(NO_STOCK)

    assert state_of(story) == "FAILED_NO_STOCK"
    story.expect(ReleaseCredit, to="customer.commands", order_id=ORDER).when_reply(RELEASED)
    story.expect_end("compensated", reason="OUT_OF_STOCK")


def test_silent_stock_is_released_before_the_credit() -> None:
    """It may have been reserved; Inventory may answer that there was nothing to release."""
    story = placed("credit")
    reserves_credit(story).when_reply(CREDIT_RESERVED)
    reserves_stock(story, "credit").when_silent_for_good()

    assert state_of(story) == "FAILED_DEADLINE"
    story.expect(ReleaseStock, to="stock.commands").when_reply(nothing("release-stock"))
    story.expect(ReleaseCredit, to="customer.commands").when_reply(RELEASED)
    story.expect_end("compensated", reason="DEADLINE")


def test_silent_credit_is_released_in_case_it_was_reserved() -> None:
    story = placed("credit")
    reserves_credit(story).when_silent_for_good()

    story.expect(ReleaseCredit, to="customer.commands").when_reply(nothing("release-credit"))
    story.expect_end("compensated", reason="DEADLINE")


def test_unverified_buyer_is_not_charged() -> None:
    story = placed("card")
    verifies(story).when_reply(orders.CustomerVerificationFailed(**ABOUT, reason="CUSTOMER_BLOCKED"))

    story.expect_end("compensated", reason="CUSTOMER_BLOCKED")
    assert state_of(story) == "FAILED_VERIFICATION"


def test_declined_card_leaves_nothing_to_make_good() -> None:
    story = placed("card")
    verifies(story).when_reply(VERIFIED)
    charges(story).when_reply(orders.PaymentFailed(**ABOUT, reason="CARD_DECLINED"))

    story.expect_end("compensated", reason="CARD_DECLINED")
    assert state_of(story) == "FAILED_PAYMENT"


def test_payment_that_nobody_knows_about_is_refunded() -> None:
    """The provider may have charged before it fell silent."""
    story = placed("card")
    verifies(story).when_reply(VERIFIED)
    charges(story).when_silent_for_good()

    story.expect(RefundPayment, to="payment.commands", order_id=ORDER, customer_id="ada").when_reply(REFUNDED)
    story.expect_end("compensated", reason="DEADLINE")


def test_payment_is_refunded_when_stock_runs_out() -> None:
    story = placed("card")
    verifies(story).when_reply(VERIFIED)
    charges(story).when_reply(PAID)
    reserves_stock(story, "card").when_reply(NO_PIECES)

    assert state_of(story) == "FAILED_INVENTORY"
    story.expect(RefundPayment, to="payment.commands").when_reply(REFUNDED)
    story.expect_end("compensated", reason="OUT_OF_STOCK")


def test_refund_that_fails_waits_for_a_person() -> None:
    story = placed("card")
    verifies(story).when_reply(VERIFIED)
    charges(story).when_reply(PAID)
    reserves_stock(story, "card").when_reply(NO_PIECES)
    story.expect(RefundPayment, to="payment.commands").when_reply(
        orders.CompensationFailed(
            **ABOUT, service="payments", action="refund-payment", reason="REFUND_REFUSED", attempts=1
        )
    )

    story.expect_end("requires_review")
    story.expect_review("charge-payment")


def test_shared_answer_of_another_participant_is_not_taken() -> None:
    """Inventory's "nothing to release" comes again while Customers is asked."""
    story = placed("credit")
    reserves_credit(story).when_reply(CREDIT_RESERVED)
    reserves_stock(story, "credit").when_silent_for_good()
    story.expect(ReleaseStock, to="stock.commands").when_reply(nothing("release-stock"))
    story.hears(nothing("release-stock"))

    story.expect(ReleaseCredit, to="customer.commands").when_reply(nothing("release-credit"))
    story.expect_end("compensated")


@pytest.mark.parametrize("definition", [PLACE_ORDER_ON_CREDIT, PLACE_ORDER_BY_CARD], ids=["credit", "card"])
def test_each_step_that_can_be_made_good_names_its_action(definition: Any) -> None:
    """A review says which compensation failed in the participants' own words."""
    for step in definition.steps:
        assert (step.compensation is not None) == (step.name in COMPENSATION_OF)


READERS: dict[type[BaseModel], EventTypes] = {
    VerifyCustomer: customers.EVENTS,
    ReserveCredit: customers.EVENTS,
    ReleaseCredit: customers.EVENTS,
    ChargePayment: payments.EVENTS,
    RefundPayment: payments.EVENTS,
    ReserveStock: inventory.EVENTS,
    ReleaseStock: inventory.EVENTS,
}


@pytest.mark.parametrize("model", commands.COMMANDS, ids=lambda model: model.__name__)
def test_participant_reads_every_field_of_its_command(model: type[BaseModel]) -> None:
    """What Orders writes and what the other service declares are the same words."""
    fields: dict[str, Any] = {
        "order_id": ORDER,
        "customer_id": "ada",
        "amount": TOTAL,
        "items": ITEMS,
        "pay_by": "card",
    }
    command = model(**{name: fields[name] for name in model.model_fields})
    event = orders.EVENTS.event(command, aggregate_type="commands", aggregate_id=ORDER)

    assert READERS[model].payload_of(event).model_dump() == command.model_dump()


def state_of(story: Story) -> str:
    """The state that Orders gives an order when it is told of this failure."""
    [failed] = [call for call in story.told if call.kind == "failed"]
    assert isinstance(story.state.data, PlaceOrder)
    told = Outcome(
        saga_id=ORDER,
        name="",
        subject=str(ORDER),
        data=story.state.data,
        step=failed.step,
        reason=failed.reason,
        cause=None,
    )
    return failed_state(told)
