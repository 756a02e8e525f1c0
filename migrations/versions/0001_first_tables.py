"""Create the first tables and the triggers that protect the ledger.

The ledger is append-only, its rows form a chain, and the account's balance is the chain's end (L2).
Triggers refuse every statement that would violate this.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "account",
    "user",
    "api_key",
    "audit_entry",
    "low_balance_settings",
    "membership",
    "payment_method",
    "top_up",
    "payment",
    "attempt",
    "decision",
    "ledger_entry",
    "notice",
)

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
"""Name, event, the condition under which it is refused, and the words of the refusal."""


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("billing_emails", sa.JSON(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("all_failed_mailed", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
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
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_api_key_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
    )
    op.create_index("ix_api_key_account_id", "api_key", ["account_id"])

    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
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
    op.create_index("ix_audit_entry_account_id_id", "audit_entry", ["account_id", "id"])

    op.create_table(
        "low_balance_settings",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("refill_on", sa.Boolean(), nullable=False),
        sa.Column("refill_mode", sa.String(length=10), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=True),
        sa.Column("refill_amount", sa.BigInteger(), nullable=True),
        sa.Column("target", sa.BigInteger(), nullable=True),
        sa.Column("day_limit", sa.BigInteger(), nullable=True),
        sa.Column("month_limit", sa.BigInteger(), nullable=True),
        sa.Column("notification_on", sa.Boolean(), nullable=False),
        sa.Column("notification_threshold", sa.BigInteger(), nullable=True),
        sa.Column("armed", sa.Boolean(), nullable=False),
        sa.Column("notified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("applied_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_low_balance_settings_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["applied_by_id"], ["user.id"], name=op.f("fk_low_balance_settings_applied_by_id_user")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_low_balance_settings")),
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
    op.create_index("ix_membership_account_id", "membership", ["account_id"])

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
        sa.Column("auto_charge_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("brand", sa.String(length=20), nullable=False),
        sa.Column("last4", sa.String(length=4), nullable=False),
        sa.Column("exp_month", sa.Integer(), nullable=True),
        sa.Column("exp_year", sa.Integer(), nullable=True),
        sa.Column("cardholder", sa.String(length=120), nullable=False),
        sa.Column("address_country", sa.String(length=2), nullable=False),
        sa.Column("address_line", sa.String(length=200), nullable=False),
        sa.Column("address_city", sa.String(length=120), nullable=False),
        sa.Column("address_postcode", sa.String(length=20), nullable=False),
        sa.Column("payer_email", sa.String(length=254), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_code", sa.String(length=60), nullable=True),
        sa.Column("suspended_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("healed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("barred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declines_in_a_row", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("position <> 0", name=op.f("ck_payment_method_position_is_not_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_payment_method_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_method")),
    )
    op.create_index("ix_payment_method_account_id", "payment_method", ["account_id"])
    op.create_index(
        "ix_payment_method_suspended_until",
        "payment_method",
        ["suspended_until"],
        sqlite_where=sa.text("suspended_until IS NOT NULL"),
        postgresql_where=sa.text("suspended_until IS NOT NULL"),
    )
    op.create_index(
        "uq_payment_method_account_id_fingerprint",
        "payment_method",
        ["account_id", "fingerprint"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index(
        "uq_payment_method_account_id_position",
        "payment_method",
        ["account_id", "position"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )

    op.create_table(
        "top_up",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("cause", sa.String(length=60), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_top_up_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_top_up")),
    )
    op.create_index("ix_top_up_account_id", "top_up", ["account_id"])
    op.create_index(
        "uq_top_up_open_per_account",
        "top_up",
        ["account_id"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )

    op.create_table(
        "payment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("top_up_id", sa.Integer(), nullable=True),
        sa.Column("requested_by_id", sa.Integer(), nullable=True),
        sa.Column("request_key", sa.String(length=64), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
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
    op.create_index("ix_payment_account_id_id", "payment", ["account_id", "id"])
    op.create_index(
        "ix_payment_open",
        "payment",
        ["account_id"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "uq_payment_account_id_request_key", "payment", ["account_id", "request_key"], unique=True
    )
    op.create_index("uq_payment_top_up_id", "payment", ["top_up_id"], unique=True)

    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("method_id", sa.Integer(), nullable=True),
        sa.Column("retry_of_id", sa.Integer(), nullable=True),
        sa.Column("processor", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("method_reference", sa.String(length=120), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("customer_present", sa.Boolean(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("settings_version", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decline_code", sa.String(length=60), nullable=True),
        sa.Column("decline_class", sa.String(length=10), nullable=True),
        sa.Column("suspended_method", sa.Boolean(), nullable=False),
        sa.Column("processor_reference", sa.String(length=120), nullable=True),
        sa.Column("trouble", sa.String(length=500), nullable=True),
        sa.Column("mismatch", sa.Text(), nullable=True),
        sa.Column("needs_operator", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customer_told", sa.Boolean(), nullable=False),
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
    op.create_index("ix_attempt_account_id_started_at", "attempt", ["account_id", "started_at"])
    op.create_index("ix_attempt_account_id_state_id", "attempt", ["account_id", "state", "id"])
    op.create_index("ix_attempt_method_id_id", "attempt", ["method_id", "id"])
    op.create_index(
        "ix_attempt_next_check_at",
        "attempt",
        ["next_check_at"],
        sqlite_where=sa.text("state IN ('started', 'unknown', 'refused')"),
        postgresql_where=sa.text("state IN ('started', 'unknown', 'refused')"),
    )
    op.create_index("ix_attempt_payment_id", "attempt", ["payment_id"])
    op.create_index(
        "ix_attempt_needs_operator",
        "attempt",
        ["id"],
        sqlite_where=sa.text("needs_operator"),
        postgresql_where=sa.text("needs_operator"),
    )
    op.create_index("ix_attempt_retry_of_id", "attempt", ["retry_of_id"])
    op.create_index("uq_attempt_key", "attempt", ["key"], unique=True)
    op.create_index(
        "uq_attempt_live_per_payment",
        "attempt",
        ["payment_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('started', 'unknown', 'refused', 'paid')"),
        postgresql_where=sa.text("state IN ('started', 'unknown', 'refused', 'paid')"),
    )
    op.create_index(
        "uq_attempt_open_per_method",
        "attempt",
        ["method_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('started', 'unknown', 'refused')"),
        postgresql_where=sa.text("state IN ('started', 'unknown', 'refused')"),
    )

    op.create_table(
        "decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
        sa.Column("top_up_id", sa.Integer(), nullable=True),
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
    op.create_index("ix_decision_account_id_id", "decision", ["account_id", "id"])

    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=True),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
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
    op.create_index("ix_ledger_entry_account_id_id", "ledger_entry", ["account_id", "id"])
    op.create_index(
        "ix_ledger_entry_account_id_posted_at", "ledger_entry", ["account_id", "posted_at"]
    )
    op.create_index(
        "uq_ledger_entry_account_id_reference",
        "ledger_entry",
        ["account_id", "reference"],
        unique=True,
    )
    op.create_index("uq_ledger_entry_attempt_id", "ledger_entry", ["attempt_id"], unique=True)

    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("about", sa.String(length=80), nullable=False),
        sa.Column("message_id", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_notice_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempt.id"], name=op.f("fk_notice_attempt_id_attempt")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    op.create_index("ix_notice_account_id_id", "notice", ["account_id", "id"])
    op.create_index(
        "ix_notice_next_try_at",
        "notice",
        ["next_try_at"],
        sqlite_where=sa.text("state = 'owed'"),
        postgresql_where=sa.text("state = 'owed'"),
    )
    op.create_index(
        "uq_notice_account_id_kind_about_recipient",
        "notice",
        ["account_id", "kind", "about", "recipient"],
        unique=True,
    )

    for name, event, condition, words in GUARDS:
        guard(name, event, condition, words)


def guard(name: str, event: str, condition: str, words: str) -> None:
    words = words.replace("'", "''")
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {name} {event} FOR EACH ROW WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
        )
        return
    # PostgreSQL allows no subquery in WHEN, so the condition is in the function.
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {condition} THEN RAISE EXCEPTION '{words}' USING ERRCODE = 'check_violation'; END IF; "
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} {event} FOR EACH ROW EXECUTE FUNCTION {name}()")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        for name, *_ in GUARDS:
            op.execute(f"DROP FUNCTION {name}()")
