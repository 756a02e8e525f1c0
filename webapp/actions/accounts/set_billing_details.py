"""Whom receipts are made out to (L6)."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import ADDRESS_LENGTH, TAX_NUMBER_LENGTH, Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.shared import texts
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.texts import NAME_LENGTH

MOST_LINES = 5
"""What an envelope has room for."""


def set_billing_details(
    session: Session,
    account_id: int,
    name: str,
    address: str,
    tax_number: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Receipts from now on; those that are issued stay as they are. Raises `Invalid`."""
    wished = {
        "name": " ".join(name.split()),
        "address": "\n".join(" ".join(it.split()) for it in address.splitlines() if it.strip()),
        "tax_number": " ".join(tax_number.split()),
    }
    if faults := _faults(wished):
        raise Invalid(faults)
    account = Account.locked(session, account_id)
    before = account.billing_details()
    account.billing_name = wished["name"]
    account.billing_address = wished["address"]
    account.billing_tax_number = wished["tax_number"]
    after = account.billing_details()
    if before == after:
        session.rollback()
        return
    audit.record(session, account_id, actor, "billing_details", now, before=before, after=after)
    session.commit()


def _faults(wished: dict[str, str]) -> dict[str, str]:
    lines = wished["address"].split("\n")
    found = {
        "name": texts.fault(wished["name"], NAME_LENGTH),
        "address": texts.fault("".join(lines), ADDRESS_LENGTH - MOST_LINES),
        "tax_number": texts.fault(wished["tax_number"], TAX_NUMBER_LENGTH),
    }
    if len(lines) > MOST_LINES:
        found["address"] = f"At most {MOST_LINES} lines"
    return {field: fault for field, fault in found.items() if fault}
