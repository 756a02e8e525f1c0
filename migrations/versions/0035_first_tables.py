"""Create all tables, and the triggers that protect the ledger and the audit log.

The ledger is append-only, its rows form a chain, and the account's balance is the chain's end (L2).
Triggers refuse every statement that would violate this, and every change of the audit log.

`account.attention_below` is the highest balance below which an account needs a check. Triggers
derive it from the low-balance settings, so the sweep reads only an index of low accounts.

Earlier versions had 35 migrations; this one creates the same schema under the last one's revision.
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "account",
    "event_position",
    "evidence",
    "processor_event",
    "processor_note",
    "throttle_try",
    "user",
    "api_key",
    "audit_entry",
    "hold",
    "invitation",
    "low_balance_settings",
    "membership",
    "operator",
    "passkey",
    "payment_method",
    "recovery_code",
    "repeat",
    "revocation",
    "top_up",
    "usage_import",
    "user_session",
    "webhook_endpoint",
    "webhook_event",
    "method_setup",
    "payment",
    "webhook_delivery",
    "attempt",
    "receipt",
    "wire_request",
    "decision",
    "ledger_entry",
    "notice",
    "reversal",
    "wire_proof",
)
"""In the order of their creation."""

LAST_BALANCE = """COALESCE((
    SELECT balance_after FROM ledger_entry WHERE account_id = {account} ORDER BY id DESC LIMIT 1
), 0)"""

GUARDS = (
    (
        "ledger_entry_continues_the_chain",
        "BEFORE INSERT ON ledger_entry",
        "NEW.balance_after <> NEW.amount + " + LAST_BALANCE.format(account="NEW.account_id"),
        "a ledger entry must continue its account's chain",
    ),
    (
        "ledger_entry_is_never_changed",
        "BEFORE UPDATE ON ledger_entry",
        "TRUE",
        "the ledger is append-only",
    ),
    (
        "ledger_entry_is_never_removed",
        "BEFORE DELETE ON ledger_entry",
        "TRUE",
        "the ledger is append-only",
    ),
    (
        "account_balance_is_the_ledgers",
        "BEFORE UPDATE OF balance ON account",
        "NEW.balance <> " + LAST_BALANCE.format(account="NEW.id"),
        "a balance must be the end of its ledger",
    ),
    (
        "account_opens_at_zero",
        "BEFORE INSERT ON account",
        "NEW.balance <> 0",
        "an account opens at zero; its opening balance is a ledger entry",
    ),
)
"""Name, event, the condition under which it is refused, and the sentence of the refusal."""

HIGHEST_LINE = """(SELECT max(line) FROM (
    SELECT CASE WHEN NEW.refill_on THEN NEW.threshold END AS line
    UNION ALL
    SELECT CASE WHEN NEW.notification_on THEN NEW.notification_threshold END
) AS lines)"""
KEEP_ATTENTION = f"UPDATE account SET attention_below = {HIGHEST_LINE} WHERE id = NEW.account_id"
ATTENTION = {
    "attention_follows_new_settings": "AFTER INSERT",
    "attention_follows_settings": (
        "AFTER UPDATE OF refill_on, threshold, notification_on, notification_threshold"
    ),
}

AUDIT = {"changed": "UPDATE", "removed": "DELETE"}
AUDIT_REFUSAL = "the audit log is append-only"


def upgrade() -> None:
    create_tables()
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for name, event, condition, refusal in GUARDS:
        guard = guard_on_sqlite if on_sqlite else guard_on_postgresql
        guard(name, event, condition, refusal.replace("'", "''"))
    follow_settings(on_sqlite)
    protect_audit_log(on_sqlite)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        guards = [name for name, *_ in GUARDS]
        for function in (*guards, "keep_attention", "audit_entry_stands"):
            op.execute(f"DROP FUNCTION {function}()")


def guard_on_sqlite(name, event, condition, refusal):
    op.execute(
        f"CREATE TRIGGER {name} {event} FOR EACH ROW WHEN {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    )


def guard_on_postgresql(name, event, condition, refusal):
    """Put the condition into a function, because PostgreSQL allows no subquery in WHEN."""
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {condition} THEN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'check_violation'; "
        "END IF; IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} {event} FOR EACH ROW EXECUTE FUNCTION {name}()")


def follow_settings(on_sqlite):
    if not on_sqlite:
        op.execute(
            "CREATE FUNCTION keep_attention() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {KEEP_ATTENTION}; RETURN NEW; END $$"
        )
    act = f"BEGIN {KEEP_ATTENTION}; END" if on_sqlite else "EXECUTE FUNCTION keep_attention()"
    for name, event in ATTENTION.items():
        op.execute(f"CREATE TRIGGER {name} {event} ON low_balance_settings FOR EACH ROW {act}")


def protect_audit_log(on_sqlite):
    if on_sqlite:
        for done, event in AUDIT.items():
            op.execute(
                f"CREATE TRIGGER audit_entry_is_never_{done} BEFORE {event} ON audit_entry "
                f"FOR EACH ROW BEGIN SELECT RAISE(ABORT, '{AUDIT_REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_entry_stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{AUDIT_REFUSAL}' USING ERRCODE = 'check_violation'; END $$"
    )
    for done, event in {**AUDIT, "emptied": "TRUNCATE"}.items():
        # Row triggers do not fire for TRUNCATE.
        each = "STATEMENT" if event == "TRUNCATE" else "ROW"
        op.execute(
            f"CREATE TRIGGER audit_entry_is_never_{done} BEFORE {event} ON audit_entry "
            f"FOR EACH {each} EXECUTE FUNCTION audit_entry_stands()"
        )


def index(name, table, *columns, unique=False, where=None):
    """Create an index; with `where`, only of the rows that meet the condition."""
    condition = None if where is None else sa.text(where)
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )


def sealed(length_before):
    """An encrypted text. SQLite's length is one from before the encryption; it enforces none."""
    return sa.String(length=200).with_variant(sa.String(length=length_before), "sqlite")


def create_tables() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("billing_emails", sa.JSON(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True)),
        sa.Column("resumed_at", sa.DateTime(timezone=True)),
        sa.Column("all_failed_mailed", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paypal_allowed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("attention_below", sa.BigInteger()),
        sa.Column("open_holds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_by_dispute", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("low_by_reversal", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column(
            "second_factor_required", sa.Boolean(), server_default=sa.false(), nullable=False
        ),
        sa.Column("billing_name", sa.String(length=120), server_default="", nullable=False),
        sa.Column("billing_address", sa.String(length=400), server_default="", nullable=False),
        sa.Column("billing_tax_number", sa.String(length=40), server_default="", nullable=False),
        sa.Column("receipts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("has_webhooks", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("told_low", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("mail_opt_outs", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("paused_by_operator", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("language", sa.String(length=2), server_default="en", nullable=False),
        sa.Column("refill_held", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    index("ix_account_is_low", "account", "id", where="balance < attention_below")

    op.create_table(
        "event_position",
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("caught_up_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trouble", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("processor", name=op.f("pk_event_position")),
    )

    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("what", sa.String(length=500), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_because", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    index("ix_evidence_open", "evidence", "id", where="closed_at IS NULL")
    index("uq_evidence_processor_reference", "evidence", "processor", "reference", unique=True)

    op.create_table(
        "processor_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("event_id", sa.String(length=120), nullable=False),
        sa.Column("about", sa.String(length=200), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processor_event")),
    )
    index("ix_processor_event_heard", "processor_event", "processor", "listed", "received_at")
    index(
        "uq_processor_event_processor_event_id",
        "processor_event",
        "processor",
        "event_id",
        unique=True,
    )

    op.create_table(
        "processor_note",
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("processor", "key", name=op.f("pk_processor_note")),
    )

    op.create_table(
        "throttle_try",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_throttle_try")),
    )
    index("ix_throttle_try_at", "throttle_try", "at")
    index("ix_throttle_try_key_at", "throttle_try", "key", "at")

    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("session_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("totp_secret", sealed(64)),
        sa.Column("totp_step", sa.BigInteger()),
        sa.Column("totp_since", sa.DateTime(timezone=True)),
        sa.Column("unconfirmed_since", sa.DateTime(timezone=True)),
        sa.Column("pending_email", sa.String(length=254)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("email", name=op.f("uq_user_email")),
    )

    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=12), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("networks", sa.JSON(), nullable=False),
        sa.Column("last_used_from", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("replaces_id", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_api_key_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["replaces_id"], ["api_key.id"], name=op.f("fk_api_key_replaces_id_api_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
        sa.UniqueConstraint("replaces_id", name=op.f("uq_api_key_replaces_id")),
    )
    index("ix_api_key_account_id", "api_key", "account_id")

    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer()),
        sa.Column("user_id", sa.Integer()),
        sa.Column("actor_name", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("what", sa.String(length=60), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_audit_entry_account_id_account")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_audit_entry_user_id_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    index("ix_audit_entry_account_id_id", "audit_entry", "account_id", "id")

    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("amount > 0", name=op.f("ck_hold_amount_is_above_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_hold_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    index("ix_hold_expires_at", "hold", "expires_at", where="state = 'open'")
    index("ix_hold_open", "hold", "account_id", where="state = 'open'")
    index("uq_hold_account_id_reference", "hold", "account_id", "reference", unique=True)

    op.create_table(
        "invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("invited_by_id", sa.Integer()),
        sa.Column("times_sent", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_invitation_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["invited_by_id"], ["user.id"], name=op.f("fk_invitation_invited_by_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
    )
    index(
        "uq_invitation_account_id_email",
        "invitation",
        "account_id",
        "email",
        unique=True,
        where="state = 'open'",
    )

    op.create_table(
        "low_balance_settings",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("refill_on", sa.Boolean(), nullable=False),
        sa.Column("refill_mode", sa.String(length=10), nullable=False),
        sa.Column("threshold", sa.BigInteger()),
        sa.Column("refill_amount", sa.BigInteger()),
        sa.Column("target", sa.BigInteger()),
        sa.Column("day_limit", sa.BigInteger()),
        sa.Column("month_limit", sa.BigInteger()),
        sa.Column("notification_on", sa.Boolean(), nullable=False),
        sa.Column("notification_threshold", sa.BigInteger()),
        sa.Column("notified_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True)),
        sa.Column("applied_by_id", sa.Integer()),
        sa.Column("notification_steps", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("armed_below", sa.BigInteger()),
        sa.Column("blocked_mailed_at", sa.DateTime(timezone=True)),
        sa.Column("look_again_at", sa.DateTime(timezone=True)),
        sa.Column("largest_charge", sa.BigInteger()),
        sa.Column("no_day_limit", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_low_balance_settings_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["applied_by_id"], ["user.id"], name=op.f("fk_low_balance_settings_applied_by_id_user")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_low_balance_settings")),
    )
    index(
        "ix_low_balance_settings_look_again_at",
        "low_balance_settings",
        "look_again_at",
        where="look_again_at IS NOT NULL",
    )

    op.create_table(
        "membership",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_membership_account_id_account")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_membership_user_id_user")),
        sa.PrimaryKeyConstraint("user_id", "account_id", "role", name=op.f("pk_membership")),
    )
    index("ix_membership_account_id", "membership", "account_id")

    op.create_table(
        "operator",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_operator_user_id_user")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_operator")),
    )

    op.create_table(
        "passkey",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.String(length=1400), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_passkey_user_id_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
    )
    index("ix_passkey_user_id", "passkey", "user_id")

    op.create_table(
        "payment_method",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("processor_reference", sa.String(length=120), nullable=False),
        sa.Column("fingerprint", sa.String(length=120), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("auto_charge", sa.Boolean(), nullable=False),
        sa.Column("auto_charge_changed_at", sa.DateTime(timezone=True)),
        sa.Column("brand", sa.String(length=20), nullable=False),
        sa.Column("last4", sa.String(length=4), nullable=False),
        sa.Column("exp_month", sa.Integer()),
        sa.Column("exp_year", sa.Integer()),
        sa.Column("cardholder", sa.String(length=120), nullable=False),
        sa.Column("address_country", sa.String(length=2), nullable=False),
        sa.Column("address_line", sa.String(length=200), nullable=False),
        sa.Column("address_city", sa.String(length=120), nullable=False),
        sa.Column("address_postcode", sa.String(length=20), nullable=False),
        sa.Column("payer_email", sa.String(length=254), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True)),
        sa.Column("failure_code", sa.String(length=60)),
        sa.Column("suspended_until", sa.DateTime(timezone=True)),
        sa.Column("healed_at", sa.DateTime(timezone=True)),
        sa.Column("barred_at", sa.DateTime(timezone=True)),
        sa.Column("declines_in_a_row", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.Column("gone_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("position <> 0", name=op.f("ck_payment_method_position_is_not_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_payment_method_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_method")),
    )
    index("ix_payment_method_account_id", "payment_method", "account_id")
    index(
        "ix_payment_method_processor_reference",
        "payment_method",
        "processor",
        "processor_reference",
    )
    index(
        "ix_payment_method_suspended_until",
        "payment_method",
        "suspended_until",
        where="suspended_until IS NOT NULL",
    )
    index(
        "uq_payment_method_account_id_fingerprint",
        "payment_method",
        "account_id",
        "fingerprint",
        unique=True,
        where="removed_at IS NULL",
    )
    index(
        "uq_payment_method_account_id_position",
        "payment_method",
        "account_id",
        "position",
        unique=True,
        where="removed_at IS NULL",
    )

    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_recovery_code_user_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_recovery_code_code_hash")),
    )
    index("ix_recovery_code_user_id", "recovery_code", "user_id")

    op.create_table(
        "repeat",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("location", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_repeat_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repeat")),
    )
    index("ix_repeat_begun_at", "repeat", "begun_at")
    index("uq_repeat_account_id_key", "repeat", "account_id", "key", unique=True)

    op.create_table(
        "revocation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_revocation_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revocation")),
    )
    index("ix_revocation_account_id", "revocation", "account_id")
    index("ix_revocation_due", "revocation", "id", where="done_at IS NULL")

    op.create_table(
        "top_up",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("cause", sa.String(length=60), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_top_up_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_top_up")),
    )
    index("ix_top_up_account_id", "top_up", "account_id")
    index("uq_top_up_open_per_account", "top_up", "account_id", unique=True, where="state = 'open'")

    op.create_table(
        "usage_import",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer()),
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("read", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("posted", sa.Integer(), nullable=False),
        sa.Column("duplicate", sa.Integer(), nullable=False),
        sa.Column("bad", sa.Integer(), nullable=False),
        sa.Column("faults", sa.JSON(), nullable=False),
        sa.Column("why", sa.String(length=300), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("went_on_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_usage_import_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_usage_import_user_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_import")),
    )
    index("ix_usage_import_account_id_id", "usage_import", "account_id", "id")
    index(
        "uq_usage_import_account_id_request_key",
        "usage_import",
        "account_id",
        "request_key",
        unique=True,
    )

    op.create_table(
        "user_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("remember", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_in_with", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_user_session_user_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_user_session_token_hash")),
    )
    index("ix_user_session_user_id", "user_session", "user_id")

    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("secret", sealed(80), nullable=False),
        sa.Column("old_secret", sealed(80)),
        sa.Column("old_secret_until", sa.DateTime(timezone=True)),
        sa.Column("ended", sa.String(length=10)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("failing_since", sa.DateTime(timezone=True)),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_webhook_endpoint_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoint")),
    )
    index("ix_webhook_endpoint_account_id", "webhook_endpoint", "account_id")

    op.create_table(
        "webhook_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_webhook_event_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_event")),
    )
    index("ix_webhook_event_account_id_id", "webhook_event", "account_id", "id")
    index("ix_webhook_event_at", "webhook_event", "at")

    op.create_table(
        "method_setup",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer()),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("consent", sa.Boolean()),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("method_id", sa.Integer()),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("confirmed", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_method_setup_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["method_id"],
            ["payment_method.id"],
            name=op.f("fk_method_setup_method_id_payment_method"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_method_setup_user_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_method_setup")),
        sa.UniqueConstraint("reference", name=op.f("uq_method_setup_reference")),
    )
    index("ix_method_setup_account_id", "method_setup", "account_id")
    index("ix_method_setup_open", "method_setup", "started_at", where="state = 'open'")

    op.create_table(
        "payment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("top_up_id", sa.Integer()),
        sa.Column("requested_by_id", sa.Integer()),
        sa.Column("request_key", sa.String(length=64)),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_payment_amount_is_not_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_payment_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["requested_by_id"], ["user.id"], name=op.f("fk_payment_requested_by_id_user")
        ),
        sa.ForeignKeyConstraint(
            ["top_up_id"], ["top_up.id"], name=op.f("fk_payment_top_up_id_top_up")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
    )
    index("ix_payment_account_id_id", "payment", "account_id", "id")
    index("ix_payment_noted", "payment", "account_id", where="note <> ''")
    index("ix_payment_open", "payment", "account_id", where="state = 'open'")
    index("uq_payment_account_id_request_key", "payment", "account_id", "request_key", unique=True)
    index("uq_payment_top_up_id", "payment", "top_up_id", unique=True)

    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True)),
        sa.Column("last_try_at", sa.DateTime(timezone=True)),
        sa.Column("took_ms", sa.Integer()),
        sa.Column("status", sa.Integer()),
        sa.Column("trouble", sa.String(length=300), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoint.id"],
            name=op.f("fk_webhook_delivery_endpoint_id_webhook_endpoint"),
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["webhook_event.id"],
            name=op.f("fk_webhook_delivery_event_id_webhook_event"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
    )
    index("ix_webhook_delivery_endpoint_id_id", "webhook_delivery", "endpoint_id", "id")
    index(
        "ix_webhook_delivery_next_try_at", "webhook_delivery", "next_try_at", where="state = 'owed'"
    )
    index(
        "uq_webhook_delivery_event_id_endpoint_id",
        "webhook_delivery",
        "event_id",
        "endpoint_id",
        unique=True,
    )

    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("method_id", sa.Integer()),
        sa.Column("retry_of_id", sa.Integer()),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("method_reference", sa.String(length=120), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("customer_present", sa.Boolean(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("settings_version", sa.Integer()),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decline_code", sa.String(length=60)),
        sa.Column("decline_class", sa.String(length=10)),
        sa.Column("suspended_method", sa.Boolean(), nullable=False),
        sa.Column("processor_reference", sa.String(length=120)),
        sa.Column("trouble", sa.String(length=500)),
        sa.Column("mismatch", sa.Text()),
        sa.Column("needs_operator", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("declined_at", sa.DateTime(timezone=True)),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True)),
        sa.Column("customer_told", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=20), server_default="", nullable=False),
        sa.Column("link_ended_at", sa.DateTime(timezone=True)),
        sa.Column("refusals", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_attempt_amount_is_not_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_attempt_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["method_id"], ["payment_method.id"], name=op.f("fk_attempt_method_id_payment_method")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_attempt_payment_id_payment")
        ),
        sa.ForeignKeyConstraint(
            ["retry_of_id"], ["attempt.id"], name=op.f("fk_attempt_retry_of_id_attempt")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    index("ix_attempt_account_id_amount_id", "attempt", "account_id", "amount", "id")
    index("ix_attempt_account_id_kind_amount_id", "attempt", "account_id", "kind", "amount", "id")
    index(
        "ix_attempt_account_id_kind_started_at_id",
        "attempt",
        "account_id",
        "kind",
        "started_at",
        "id",
    )
    index("ix_attempt_account_id_started_at_id", "attempt", "account_id", "started_at", "id")
    index("ix_attempt_account_id_state_amount_id", "attempt", "account_id", "state", "amount", "id")
    index("ix_attempt_account_id_state_id", "attempt", "account_id", "state", "id")
    index(
        "ix_attempt_account_id_state_started_at_id",
        "attempt",
        "account_id",
        "state",
        "started_at",
        "id",
    )
    index(
        "ix_attempt_by_settings",
        "attempt",
        "account_id",
        "settings_version",
        "started_at",
        "id",
        where="settings_version IS NOT NULL",
    )
    index("ix_attempt_method_id_amount_id", "attempt", "method_id", "amount", "id")
    index("ix_attempt_method_id_id", "attempt", "method_id", "id")
    index("ix_attempt_method_id_started_at_id", "attempt", "method_id", "started_at", "id")
    index("ix_attempt_needs_operator", "attempt", "id", where="needs_operator")
    index(
        "ix_attempt_next_check_at",
        "attempt",
        "next_check_at",
        where="state IN ('started', 'unknown', 'refused', 'challenged')",
    )
    index("ix_attempt_payment_id", "attempt", "payment_id")
    index("ix_attempt_retry_of_id", "attempt", "retry_of_id")
    index("uq_attempt_key", "attempt", "key", unique=True)
    index(
        "uq_attempt_live_per_payment",
        "attempt",
        "payment_id",
        unique=True,
        where="state IN ('started', 'unknown', 'refused', 'challenged', 'paid')",
    )
    index(
        "uq_attempt_open_per_method",
        "attempt",
        "method_id",
        unique=True,
        where="state IN ('started', 'unknown', 'refused', 'challenged')",
    )

    op.create_table(
        "receipt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_receipt_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_receipt_payment_id_payment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
    )
    index("uq_receipt_account_id_number", "receipt", "account_id", "number", unique=True)
    index("uq_receipt_payment_id", "receipt", "payment_id", unique=True)

    op.create_table(
        "wire_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=20), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("requested_by_id", sa.Integer()),
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proved_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("received", sa.BigInteger()),
        sa.Column("rate", sa.String(length=20)),
        sa.Column("payment_id", sa.Integer()),
        sa.CheckConstraint(
            "(state = 'completed') = (payment_id IS NOT NULL)",
            name=op.f("ck_wire_request_completed_names_its_payment"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_wire_request_amount_is_above_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_wire_request_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_wire_request_payment_id_payment")
        ),
        sa.ForeignKeyConstraint(
            ["requested_by_id"], ["user.id"], name=op.f("fk_wire_request_requested_by_id_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wire_request")),
    )
    index("ix_wire_request_account_id_id", "wire_request", "account_id", "id")
    index(
        "ix_wire_request_open",
        "wire_request",
        "account_id",
        where="state IN ('new', 'proof_uploaded')",
    )
    index(
        "uq_wire_request_account_id_request_key",
        "wire_request",
        "account_id",
        "request_key",
        unique=True,
    )
    index("uq_wire_request_payment_id", "wire_request", "payment_id", unique=True)
    index("uq_wire_request_reference", "wire_request", "reference", unique=True)

    op.create_table(
        "decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Integer()),
        sa.Column("top_up_id", sa.Integer()),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_decision_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempt.id"], name=op.f("fk_decision_attempt_id_attempt")
        ),
        sa.ForeignKeyConstraint(
            ["top_up_id"], ["top_up.id"], name=op.f("fk_decision_top_up_id_top_up")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
    )
    index("ix_decision_account_id_id", "decision", "account_id", "id")
    index("ix_decision_attempt_id", "decision", "attempt_id", where="attempt_id IS NOT NULL")
    index("ix_decision_top_up_id", "decision", "top_up_id", where="top_up_id IS NOT NULL")
    index("ix_decision_usage_too_large", "decision", "last_at", where="code = 'usage_too_large'")

    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=120)),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("attempt_id", sa.Integer()),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind <> 'usage' OR amount < 0", name=op.f("ck_ledger_entry_usage_is_a_debit")
        ),
        sa.CheckConstraint(
            "amount < 0 OR attempt_id IS NOT NULL",
            name=op.f("ck_ledger_entry_credit_names_its_attempt"),
        ),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_ledger_entry_amount_is_not_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_ledger_entry_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempt.id"], name=op.f("fk_ledger_entry_attempt_id_attempt")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entry")),
    )
    index("ix_ledger_entry_account_id_id", "ledger_entry", "account_id", "id")
    index("ix_ledger_entry_account_id_posted_at", "ledger_entry", "account_id", "posted_at")
    index("ix_ledger_entry_credits", "ledger_entry", "account_id", "posted_at", where="amount > 0")
    index(
        "ix_ledger_entry_not_usage",
        "ledger_entry",
        "account_id",
        "posted_at",
        where="kind <> 'usage'",
    )
    index(
        "uq_ledger_entry_account_id_reference",
        "ledger_entry",
        "account_id",
        "reference",
        unique=True,
    )
    index(
        "uq_ledger_entry_attempt_id",
        "ledger_entry",
        "attempt_id",
        unique=True,
        where="attempt_id IS NOT NULL",
    )

    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer()),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("about", sa.String(length=80), nullable=False),
        sa.Column("message_id", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt_id", sa.Integer()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("user_id", sa.Integer()),
        sa.Column("language", sa.String(length=2), server_default="en", nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_notice_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempt.id"], name=op.f("fk_notice_attempt_id_attempt")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_notice_user_id_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    index("ix_notice_account_id_id", "notice", "account_id", "id")
    index("ix_notice_attempt_id", "notice", "attempt_id", where="attempt_id IS NOT NULL")
    index("ix_notice_created_at_id", "notice", "created_at", "id")
    index("ix_notice_kind_created_at_id", "notice", "kind", "created_at", "id")
    index("ix_notice_kind_state_created_at_id", "notice", "kind", "state", "created_at", "id")
    index("ix_notice_recipient", "notice", "recipient")
    index("ix_notice_state_created_at_id", "notice", "state", "created_at", "id")
    index(
        "ix_notice_state_urgency_next_try_at",
        "notice",
        "state",
        "urgency",
        "next_try_at",
        where="state = 'owed'",
    )
    index("ix_notice_user_id_id", "notice", "user_id", "id")
    index(
        "uq_notice_account_id_kind_about_recipient",
        "notice",
        "account_id",
        "kind",
        "about",
        "recipient",
        unique=True,
    )

    op.create_table(
        "reversal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("debit_id", sa.Integer()),
        sa.Column("credit_id", sa.Integer()),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("amount > 0", name=op.f("ck_reversal_amount_is_above_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_reversal_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempt.id"], name=op.f("fk_reversal_attempt_id_attempt")
        ),
        sa.ForeignKeyConstraint(
            ["credit_id"], ["payment.id"], name=op.f("fk_reversal_credit_id_payment")
        ),
        sa.ForeignKeyConstraint(
            ["debit_id"], ["payment.id"], name=op.f("fk_reversal_debit_id_payment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reversal")),
    )
    index("ix_reversal_account_id", "reversal", "account_id")
    index("ix_reversal_attempt_id", "reversal", "attempt_id")
    index("uq_reversal_processor_reference", "reversal", "processor", "reference", unique=True)

    op.create_table(
        "wire_proof",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("wire_id", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("uploaded_by_id", sa.Integer()),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["uploaded_by_id"], ["user.id"], name=op.f("fk_wire_proof_uploaded_by_id_user")
        ),
        sa.ForeignKeyConstraint(
            ["wire_id"], ["wire_request.id"], name=op.f("fk_wire_proof_wire_id_wire_request")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wire_proof")),
    )
    index("uq_wire_proof_wire_id_digest", "wire_proof", "wire_id", "digest", unique=True)
