"""Low-balance settings for programs."""

from sqlalchemy.orm import Session

from webapp.domain.top_ups.settings import LowBalanceSettings


def read_settings(session: Session, account_id: int) -> tuple[dict[str, object], int]:
    """Return the settings by field name, amounts as decimal strings, and their version."""
    settings = LowBalanceSettings.of(session, account_id)
    return settings.chosen().exact(), settings.version
