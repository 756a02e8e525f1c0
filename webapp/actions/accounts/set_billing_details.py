"""Set the name, address and tax number printed on receipts (L6)."""

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.billing_details import BillingDetails
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import BillingDetailsChanged
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid


def set_billing_details(ctx: Context, account_id: int, details: BillingDetails) -> None:
    """Change the details for future receipts; issued ones are unchanged. Raises `Invalid`."""
    if faults := details.faults():
        raise Invalid(faults)
    account = Account.locked(ctx.session, account_id)
    before = account.billing_details()
    details.apply_to(account)
    after = account.billing_details()
    if before == after:
        ctx.session.rollback()
        return
    events.record(ctx, account_id, BillingDetailsChanged(before, after))
    ctx.session.commit()
