"""`flask accounts reset-second-factor`, as an operator types it."""

from webapp.actions.users.second_factor import turn_on
from webapp.domain.users.second_factor import TOTP, RecoveryCode, new_secret
from webapp.domain.users.user import User

COMMAND = "accounts reset-second-factor"


def test_who_has_lost_phone_and_codes_gets_in_again(flask, world):
    """P2: with a reason, which the audit log keeps; all sessions end."""
    secret, now = new_secret(), world.clock.now()
    user = world.session.get_one(User, world.created.user_id)
    email, version = user.email, user.session_version
    turn_on(world.session, user.id, secret, TOTP(secret).at(now), world.owner, now)
    assert flask(f"{COMMAND} {email}").exit_code == 2, "no reason"
    done = flask(f"{COMMAND} {email} --reason Called-back")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"Two-step sign-in is off for {email}.\n"
    world.session.expire_all()
    user = world.session.get_one(User, world.created.user_id)
    assert not user.has_second_factor
    assert user.session_version > version
    assert world.session.query(RecoveryCode).count() == 0
    told = {"person": "Ana Ruiz", "reason": "Called-back"}
    assert world.audits[-1] == ("second_factor_reset", told)
    for nobody in (email, "nobody@example.com"):
        again = flask(f"{COMMAND} {nobody} --reason Called-back")
        assert again.exit_code == 1
        assert "not found" in again.stderr
