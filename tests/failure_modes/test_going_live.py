"""Going live with real processes: what a start refuses, tells and mends (F8, F10, F14)."""

import stat
import sys

import pytest

from tests.failure_modes.conftest import PATIENCE
from tests.reads.system.test_installation import STRIPE_LIVE
from webapp.reads.system.installation import DEMO_EMAIL


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def refusal_of(process, *command):
    """All that a process says that ends by itself."""
    process.start(*command)
    assert process.handle.wait(8 * PATIENCE) != 0
    assert "Traceback" not in process.said
    return process.said


@pytest.mark.parametrize(
    "command",
    [
        ("gunicorn", "--config", "deploy/gunicorn.conf.py", "wsgi:app"),
        ("flask", "--app", "wsgi", "jobs", "start"),
    ],
    ids=["server", "jobs"],
)
def test_live_keys_do_not_start_beside_the_demo_account_f8(world, process, command):
    world.account(email=DEMO_EMAIL, balance=None)
    world.session.close()
    process.environ |= STRIPE_LIVE
    said = refusal_of(process, *command)
    assert said.count(f"The demo account, {DEMO_EMAIL}, has a public password") == 1


def test_another_secret_key_does_not_start_f10(world, process):
    """What is encrypted at rest cannot be used, and would be found out one by one."""
    world.webhook()
    world.session.close()
    process.environ["SECRET_KEY"] = "another key of tests, long enough for a server"
    said = refusal_of(process, "gunicorn", "--config", "deploy/gunicorn.conf.py", "wsgi:app")
    assert said.count("SECRET_KEY does not open the secrets in this database: set it to") == 1


def test_demo_data_and_live_keys_f8(process):
    """`make run` sets DEMO=auto by default: no demo with live keys. DEMO=1 is refused by name."""
    process.environ |= STRIPE_LIVE
    process.environ["DEMO"] = "auto"
    done = process.flask("demo", "seed", "--if-enabled")
    assert (done.returncode, done.stdout) == (0, "")

    process.environ["DEMO"] = "1"
    refused = process.flask("demo", "seed", "--if-enabled")
    assert refused.returncode == 1
    assert refused.stderr.startswith("DEMO: got '1'")
    assert len(refused.stderr.splitlines()) == 1


def test_each_warning_is_one_line_at_the_start_and_no_obstacle_f8_f10_f14(process):
    process.environ |= {"DEMO": "0", "SECRET_KEY": "short", "HOST": "0.0.0.0"}
    process.serve()
    warnings = [line for line in process.said.splitlines() if "WARNING webapp.start_check" in line]
    assert len(warnings) == 3
    for line, name in zip(warnings, ("SECRET_KEY", "sandbox", "PUBLIC_URL"), strict=True):
        assert name in line
    answer = process.ask("/readyz")
    assert answer.status == 200
    assert answer.text.count("warning: ") == 3


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_files_are_closed_to_other_users_f10(home, process, tmp_path):
    """Those of before at the next start; new ones from the beginning, also in an open folder."""
    database, proofs = home / "ballast.db", home / "proofs"
    proofs.mkdir(mode=0o755)
    home.chmod(0o755)
    database.chmod(0o644)
    process.flask("accounts", "list")
    assert (mode(home), mode(proofs), mode(database)) == (0o700, 0o700, 0o600)

    process.serve()
    process.ask("/sandbox/outbox")
    assert mode(home / "sandbox.db") == 0o600
    backup = tmp_path / "backup.tar.gz"
    assert process.flask("backup", str(backup)).returncode == 0
    assert mode(backup) == 0o600


def test_a_new_database_is_closed_in_a_folder_of_others_f10(process, tmp_path):
    """DATABASE_URL may name a file outside BALLAST_HOME."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    process.environ["DATABASE_URL"] = f"sqlite:///{shared}/b.db"
    assert process.flask("db", "upgrade").returncode == 0
    assert {path.name: mode(path) for path in shared.iterdir()} == {"b.db": 0o600}
    assert mode(shared) == 0o755
