"""Set the name, address and tax number printed on receipts (L6)."""

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import ADDRESS_LENGTH, TAX_NUMBER_LENGTH, Account
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.texts import NAME_LENGTH

MAX_LINES = 5
"""Maximum number of address lines."""


def set_billing_details(
    ctx: Context, account_id: int, name: str, address: str, tax_number: str
) -> None:
    """Change the details for future receipts; issued ones are unchanged. Raises `Invalid`."""
    details = {
        "name": " ".join(name.split()),
        "address": "\n".join(
            " ".join(line.split()) for line in address.splitlines() if line.strip()
        ),
        "tax_number": " ".join(tax_number.split()),
    }
    if faults := _faults(details):
        raise Invalid(faults)
    account = Account.locked(ctx.session, account_id)
    before = account.billing_details()
    account.billing_name = details["name"]
    account.billing_address = details["address"]
    account.billing_tax_number = details["tax_number"]
    after = account.billing_details()
    if before == after:
        ctx.session.rollback()
        return
    audit.record(ctx, account_id, "billing_details", before=before, after=after)
    ctx.session.commit()


def _faults(details: dict[str, str]) -> dict[str, str]:
    lines = details["address"].split("\n")
    found = {
        "name": texts.fault(details["name"], NAME_LENGTH),
        "address": texts.fault("".join(lines), ADDRESS_LENGTH - MAX_LINES),
        "tax_number": texts.fault(details["tax_number"], TAX_NUMBER_LENGTH),
    }
    if len(lines) > MAX_LINES:
        found["address"] = f"At most {MAX_LINES} lines"
    return {field: fault for field, fault in found.items() if fault}
