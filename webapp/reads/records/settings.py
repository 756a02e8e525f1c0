"""Low-balance settings for programs."""

from webapp.domain.shared.context import Context
from webapp.domain.top_ups.settings import LowBalanceSettings


def read_settings(ctx: Context, account_id: int) -> tuple[dict[str, object], int]:
    """Return the settings by field name, amounts as decimal strings, and their version."""
    settings = LowBalanceSettings.of(ctx.session, account_id)
    return settings.chosen().exact(), settings.version
