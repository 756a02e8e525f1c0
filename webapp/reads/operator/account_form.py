"""The operator's form for what the provider sets about an account (V4)."""

from collections.abc import Mapping
from dataclasses import dataclass

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.notifications.settings import time_zones
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.i18n import NAMES as LANGUAGES
from webapp.domain.shared.money import AmountFormat
from webapp.reads.records.accounts import OwnerRecord, read_owners


@dataclass(frozen=True)
class AccountForm:
    id: int | None
    """None: a new account."""
    name: str
    values: Mapping[str, str]
    """Texts of the fields by name."""
    seen: str
    """Fingerprint of the account, to detect a change by somebody else."""
    amounts: AmountFormat
    currencies: tuple[tuple[str, str], ...]
    """Options of a new account, with their labels; an existing account keeps its own."""
    time_zones: Mapping[str, str]
    languages: Mapping[str, str]
    takes_owner: bool
    """Whether the form can invite an owner: nobody owns the account, and it is not closed."""
    invited: str
    """Address of the person who is invited to be the owner; empty if nobody is."""


def read_account_form(ctx: Context, account_id: int | None) -> AccountForm:
    """Return the form of an account, or of a new one. Raises `NotFound`."""
    account = None if account_id is None else ctx.session.get(Account, account_id)
    if account is None and account_id is not None:
        raise NotFound("That account")
    owner = None if account is None else read_owners(ctx, [account.id]).get(account.id)
    choice = AccountChoice.of(account) if account else AccountChoice("", ctx.policy.currency)
    amounts = account.amounts if account else AmountFormat(choice.currency, "en_US")
    return AccountForm(
        id=account_id,
        name=choice.name,
        values=_texts(choice, amounts),
        seen=choice.fingerprint(),
        amounts=amounts,
        currencies=tuple((code, code) for code in ctx.policy.offered),
        time_zones={choice.time_zone: choice.time_zone} | dict(time_zones()),
        languages={str(language): name for language, name in LANGUAGES.items()},
        takes_owner=account is None or _takes_owner(account, owner),
        invited=owner.email if owner and not owner.has_joined else "",
    )


def details_text(details: Mapping[str, str]) -> str:
    """Return metadata as lines: "plan = wholesale"."""
    return "\n".join(f"{name} = {text}" for name, text in sorted(details.items()))


def _texts(choice: AccountChoice, amounts: AmountFormat) -> dict[str, str]:
    return {
        "name": choice.name,
        "external_id": choice.external_id or "",
        "metadata": details_text(choice.details),
        "currency": choice.currency,
        "time_zone": choice.time_zone,
        "language": choice.language,
        "credit_limit": amounts.exact_field(choice.credit_limit),
        "max_open_holds": "" if choice.max_open_holds is None else str(choice.max_open_holds),
        "own_metering": "1" if choice.own_metering else "",
    }


def _takes_owner(account: Account, owner: OwnerRecord | None) -> bool:
    return not account.is_closed and not (owner and owner.has_joined)
