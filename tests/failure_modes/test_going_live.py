"""Going live with real processes: refused starts, warnings and file permissions."""

import stat
import sys

import pytest

from tests.failure_modes.conftest import PATIENCE
from tests.processes import JOBS, WEB
from tests.reads.system.test_installation import STRIPE_LIVE
from webapp.reads.system.installation import DEMO_EMAIL


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def refusal_of(process, command, code=3):
    """Return the output of a process that must fail to start."""
    process.start(*command)
    assert process.handle.wait(8 * PATIENCE) == code
    assert "Traceback" not in process.output
    return process.output


@pytest.mark.parametrize(("command", "code"), [(WEB, 3), (JOBS, 1)], ids=["server", "jobs"])
def test_live_keys_are_refused_beside_the_demo_account(world, process, command, code):
    world.account(email=DEMO_EMAIL, balance=None)
    world.session.close()
    process.environ |= STRIPE_LIVE
    output = refusal_of(process, command, code)
    assert output.count(f"The demo account, {DEMO_EMAIL}, has a public password") == 1


def test_a_wrong_secret_key_is_refused_at_the_start(world, process):
    """Without this check, each encrypted secret would fail on its first use."""
    world.webhook()
    world.session.close()
    process.environ["SECRET_KEY"] = "another key of tests, long enough for a server"
    output = refusal_of(process, WEB)
    assert output.count("SECRET_KEY does not open the secrets in this database: set it to") == 1


def test_demo_data_is_refused_with_live_keys(process):
    """`make run` defaults to DEMO=auto, which makes no demo with live keys; DEMO=1 is an error."""
    process.environ |= STRIPE_LIVE
    process.environ["DEMO"] = "auto"
    done = process.flask("demo", "seed", "--if-enabled")
    assert (done.returncode, done.stdout) == (0, "")

    process.environ["DEMO"] = "1"
    refused = process.flask("demo", "seed", "--if-enabled")
    assert refused.returncode == 1
    assert refused.stderr.startswith("DEMO: got '1'")
    assert len(refused.stderr.splitlines()) == 1


def test_warnings_are_one_line_each_and_do_not_prevent_the_start(process):
    process.environ |= {"DEMO": "0", "SECRET_KEY": "short", "HOST": "0.0.0.0"}
    process.serve()
    warnings = [
        line for line in process.output.splitlines() if "WARNING webapp.start_check" in line
    ]
    assert len(warnings) == 3
    for line, name in zip(warnings, ("SECRET_KEY", "sandbox", "PUBLIC_URL"), strict=True):
        assert name in line
    answer = process.ask("/readyz")
    assert answer.status == 200
    assert answer.text.count("warning: ") == 3


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_files_are_closed_to_other_users(home, process, tmp_path):
    """Existing files are closed at the next start; new ones are private even in an open folder."""
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


def test_a_new_database_in_a_shared_folder_is_private(process, tmp_path):
    """DATABASE_URL may name a file outside BALLAST_HOME."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    process.environ["DATABASE_URL"] = f"sqlite:///{shared}/b.db"
    assert process.flask("db", "upgrade").returncode == 0
    modes = {path.name: mode(path) for path in shared.iterdir()}
    assert "b.db" in modes
    assert set(modes.values()) == {0o600}, "those that SQLite writes beside it too"
    assert mode(shared) == 0o755
