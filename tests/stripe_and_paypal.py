"""The Stripe and PayPal adapters inside the whole product, connected to the stand-ins."""

import json

import pytest
import requests

from tests.factories import context, micros
from tests.processors.paypal import stand_in as paypal_stand_in
from tests.processors.stripe_stand_in import (
    PAYS,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    StandIn,
)
from webapp.actions.payment_methods.add_method import add_card, link_paypal
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.actions.payment_methods.open_card_form import open_card_form
from webapp.actions.payments.notebook import DatabaseNotebook
from webapp.domain.shared.money import CENT
from webapp.extensions import db
from webapp.processors.paypal.processor import PayPal
from webapp.processors.stripe.processor import StripeProcessor


class StripeSide:
    """Stripe's side of the account, including its webhooks."""

    name = "stripe"

    def __init__(self, world, there):
        self.world, self.there = world, there
        self.lost = []

    def card(self):
        processor = self.world.services.processors[self.name]
        form = open_card_form(context(self.world.session), self.world.account_id, processor)
        token = self.there.confirm_setup(form["client_secret"], PAYS)["id"]
        return add_card(
            context(
                self.world.session,
                actor=self.world.owner,
                clock=self.world.clock,
                policy=self.world.policy,
            ),
            self.world.account_id,
            token,
            processor,
        )

    def pay(self, amount="100.00"):
        """Pay and return the charge's key."""
        self.world.pay(self.world.methods[0], amount)
        return self.world.attempts[-1].key

    def refund(self, key, amount):
        self.there.refund(key, micros(amount) // CENT)

    def lose_webhooks(self):
        """Drop the posted events, as after Stripe has given up on their delivery."""
        self.lost += self.there.events
        self.there.events = []

    def deliver(self, events=None):
        """Deliver the waiting events, or these, to the product."""
        deliveries = self.there.deliveries() if events is None else map(self.posted, events)
        return [self.world.receive(self.name, *delivery) for delivery in deliveries]

    def posted(self, event):
        return self.there.signed(json.dumps(event))


class PayPalSide:
    """PayPal's side of the account."""

    name = "paypal"

    def __init__(self, world, there):
        self.world, self.there = world, there
        self.lost = []

    def agreement(self, email="ana@example.com"):
        world, processor = self.world, self.world.services.processors[self.name]
        allow_paypal(world.ctx, world.account_id, True)
        asked = link_paypal(world.ctx, world.account_id, processor, return_to="/back")
        form = {"action": "agree", "email": email}
        requests.post(asked.address, data=form, timeout=10, allow_redirects=False)
        return world.finish(asked)

    def pay(self, amount="100.00"):
        """Pay and return the capture's id."""
        self.world.pay(self.world.methods[0], amount)
        return self.there.captures()[-1]["id"]

    def lose_webhooks(self):
        self.lost += self.there.deliveries()

    def deliver(self, deliveries=None):
        deliveries = self.there.deliveries() if deliveries is None else deliveries
        return [self.world.receive(self.name, body, headers) for headers, body in deliveries]


@pytest.fixture
def stripe(world):
    with StandIn(world.clock.now) as there:
        world.services.processors["stripe"] = StripeProcessor(
            world.clock,
            secret_key=SECRET_KEY,
            publishable_key=PUBLISHABLE_KEY,
            webhook_secret=WEBHOOK_SECRET,
            api_base=there.base,
            js_url="https://js.stripe.com/endive/stripe.js",
        )
        yield StripeSide(world, there)


@pytest.fixture
def paypal(world):
    with paypal_stand_in.StandIn(world.clock.now) as there:
        world.services.processors["paypal"] = PayPal(
            DatabaseNotebook("paypal", lambda: db.engine),
            world.clock,
            base=there.address,
            client_id=paypal_stand_in.CLIENT_ID,
            secret=paypal_stand_in.SECRET,
            base_url="https://billing.example.com",
            webhook_id=paypal_stand_in.WEBHOOK_ID,
        )
        yield PayPalSide(world, there)
    assert there.complaints == []
