"""Email previews of each kind: sample events, in the account's language and currency."""

from collections.abc import Mapping

from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.context import Actor, Context
from webapp.ports import Letter, Mailer

SOMEBODY = Actor(name="Ana Ruiz")


def read_sample(ctx: Context, mailer: Mailer, kind: NoticeKind, account: Account) -> Letter:
    sample = {"account_name": account.name, **facts(ctx, kind, account)}
    return mailer.render(kind, sample, account.language)


def facts(ctx: Context, kind: NoticeKind, account: Account) -> Mapping[str, object]:
    """Return the template variables of a sample. Raises `KeyError` for a personal email."""
    event = kinds.sample(kind, account, ctx.now)
    return event.mailed(ctx.by(SOMEBODY), account)
