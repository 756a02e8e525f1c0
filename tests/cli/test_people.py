"""`flask accounts reset-second-factor`."""

from webapp.actions.users.second_factor import turn_on
from webapp.domain.users.second_factor import TOTP, RecoveryCode, new_secret
from webapp.domain.users.user import User

COMMAND = "accounts reset-second-factor"


def test_a_second_factor_can_be_reset(flask, world):
    """P2: it needs a reason, which the audit log keeps, and ends all sessions."""
    secret, now = new_secret(), world.clock.now()
    user = world.session.get_one(User, world.created.user_id)
    email, version = user.email, user.session_version
    turn_on(world.ctx.at(now), user.id, secret, TOTP(secret).at(now))
    assert flask(f"{COMMAND} {email}").exit_code == 2, "the reason is required"
    done = flask(f"{COMMAND} {email} --reason Called-back")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"Two-step sign-in is off for {email}.\n"
    world.session.expire_all()
    user = world.session.get_one(User, world.created.user_id)
    assert not user.has_second_factor
    assert user.session_version > version
    assert world.session.query(RecoveryCode).count() == 0
    details = {"person": "Ana Ruiz", "reason": "Called-back"}
    assert world.audits[-1] == ("second_factor_reset", details)
    for address in (email, "nobody@example.com"):
        again = flask(f"{COMMAND} {address} --reason Called-back")
        assert again.exit_code == 1
        assert "not found" in again.stderr
