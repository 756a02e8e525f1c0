"""Create the processors that the settings select."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from webapp.clock import Clock
from webapp.domain.wires.bank_details import BankDetails
from webapp.env import BadSetting
from webapp.ports import Notebook, Processor, Processors
from webapp.processors.paypal.processor import PayPal
from webapp.processors.sandbox.books import SandboxBooks
from webapp.processors.sandbox.processor import SandboxPayPal, SandboxProcessor
from webapp.processors.sandbox.store import STORE_ERRORS
from webapp.processors.unconfigured import Present
from webapp.settings import CardProcessor, PayPalProcessor, Settings

SANDBOX_BANK = BankDetails(
    beneficiary="Ballast Demo Ltd",
    bank="Sandbox Bank, Dublin",
    iban="IE00 SNBX 0000 1234 5678 90",
    bic="SNBXIE2DXXX",
    pretend=True,
)
"""For wires in the sandbox: its check digits are invalid, so no bank accepts it."""


@dataclass(frozen=True)
class Chosen:
    cards: Processor
    paypal: Processor | None
    """None if PayPal is not offered."""
    clock: Clock
    sandbox: SandboxBooks | None
    """The sandbox's books if a sandbox processor is selected; they also move the clock."""

    @property
    def processors(self) -> Processors:
        present = [one for one in (self.cards, self.paypal) if one is not None]
        return Present(self.clock, present)

    @property
    def bank(self) -> BankDetails | None:
        """Default bank details for wires; None outside the sandbox."""
        return SANDBOX_BANK if self.sandbox else None


def choose(
    settings: Settings, notebook: Callable[[str], Notebook], clock: Clock | None = None
) -> Chosen:
    """Create the selected processors. Each real one is a branch of `_cards` or `_paypal`.

    `notebook` returns a notebook by processor name. The default `clock` is the wall clock, which
    the sandbox can advance.
    """
    sandboxes = (
        settings.card_processor is CardProcessor.SANDBOX,
        settings.paypal_processor is PayPalProcessor.SANDBOX,
    )
    books = _books(settings.home / "sandbox.db")
    clock = clock or (Clock(books.clock_offset) if any(sandboxes) else Clock())
    return Chosen(
        cards=_cards(settings, clock, books),
        paypal=_paypal(settings, clock, books, notebook),
        clock=clock,
        sandbox=books if any(sandboxes) else None,
    )


def _books(path: Path) -> SandboxBooks:
    try:
        return SandboxBooks(path)
    except STORE_ERRORS as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise BadSetting(
            f"BALLAST_HOME: the sandbox's books '{path}' cannot be used ({reason}); "
            "restore them from a backup"
        ) from error


def _cards(settings: Settings, clock: Clock, books: SandboxBooks) -> Processor:
    match settings.card_processor:
        case CardProcessor.SANDBOX:
            return SandboxProcessor(books, clock)
        case CardProcessor.STRIPE:
            # Imported here, because the library uses memory that other installations can save.
            from webapp.processors.stripe.processor import StripeProcessor

            return StripeProcessor(
                clock,
                secret_key=settings.stripe_secret_key,
                publishable_key=settings.stripe_publishable_key,
                webhook_secret=settings.stripe_webhook_secret,
                api_base=settings.stripe_api_base,
                js_url=settings.stripe_js_url,
            )


def _paypal(
    settings: Settings, clock: Clock, books: SandboxBooks, notebook: Callable[[str], Notebook]
) -> Processor | None:
    match settings.paypal_processor:
        case PayPalProcessor.SANDBOX:
            return SandboxPayPal(books, clock)
        case PayPalProcessor.PAYPAL:
            return PayPal(
                notebook(PayPal.name),
                clock,
                base=settings.paypal_api_base,
                client_id=settings.paypal_client_id,
                secret=settings.paypal_client_secret,
                base_url=settings.base_url,
                webhook_id=settings.paypal_webhook_id,
            )
        case None:
            return None
