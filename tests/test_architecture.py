"""Architecture rules that import-linter cannot check."""

import ast
import re
import subprocess
import sys

import pytest

from webapp.settings import ROOT

WEBAPP = ROOT / "webapp"

CLOCKS = {
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("email.utils", "formatdate"),
    ("email.utils", "localtime"),
    ("func", "current_timestamp"),
    ("func", "now"),
    ("time", "time"),
    ("time", "time_ns"),
}

WITHOUT_FLASK = """
import importlib, sys

class NoFlask:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("flask"):
            raise ModuleNotFoundError(f"{name}: this package must not import Flask")

sys.meta_path.insert(0, NoFlask())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def commits(tree):
    """Yield the lines that call `.commit()` on anything."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "commit"
        ):
            yield node.lineno


def clock_readings(tree):
    """Yield the lines that name a wall clock, called or passed on. Monotonic clocks are allowed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if tuple(ast.unparse(node).split(".")[-2:]) in CLOCKS:
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and any(
            (node.module, alias.name) in CLOCKS for alias in node.names
        ):
            yield node.lineno


def signatures_without_context(tree):
    """Yield the lines of functions that take a session, or the parts of a context one by one."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
            parts = {"session", "now", "actor", "policy", "clock", "processors"}.intersection(names)
            if len(parts) > 1 or ("ctx" in names and (names[0] != "ctx" or parts)):
                yield node.lineno


def found(rule, allowed, root=WEBAPP):
    return [
        f"{path.relative_to(ROOT)}:{line}"
        for path in [*root.rglob("*.py"), *ROOT.glob("wsgi.py")]
        if not path.relative_to(ROOT).as_posix().startswith(allowed)
        for line in rule(ast.parse(path.read_text()))
    ]


def test_only_actions_commit():
    assert found(commits, allowed="webapp/actions/") == []


@pytest.mark.parametrize("layer", ["actions", "reads", "domain"])
def test_a_context_is_the_first_argument(layer):
    assert found(signatures_without_context, allowed="wsgi.py", root=WEBAPP / layer) == []


def test_only_the_clock_reads_the_wall_clock():
    assert found(clock_readings, allowed="webapp/clock.py") == []


def test_tests_read_the_wall_clock_by_the_same_name():
    """A search for `Clock()` then finds each test that may depend on the date."""
    assert found(clock_readings, allowed="tests/moved_clock/", root=ROOT / "tests") == []


def test_time_zones_do_not_depend_on_the_host():
    """A minimal host has no time zone database."""
    assert re.search(r"(?m)^tzdata==", (ROOT / "requirements.txt").read_text(encoding="utf-8"))
    command = [sys.executable, "-c", "import zoneinfo; zoneinfo.ZoneInfo('Pacific/Kiritimati')"]
    subprocess.run(command, env={"PYTHONTZPATH": ""}, check=True)


def test_a_processors_name_appears_only_in_its_own_files():
    """In its adapter, templates and script, and where the environment is read."""
    own = ("processors/", "settings.py", "stripe/", "js/stripe.js")
    files = [
        path
        for root in (WEBAPP, ROOT / "templates", ROOT / "static")
        for path in root.rglob("*")
        if path.suffix in (".py", ".html", ".txt", ".js", ".css") and "vendor" not in path.parts
        if not path.relative_to(root).as_posix().startswith(own)
    ]

    assert [str(path) for path in files if "stripe" in path.read_text().lower()] == []
    assert len(files) > 300


@pytest.mark.parametrize("package", ["actions", "domain", "ports", "reads"])
def test_the_package_imports_without_flask(package):
    files = [*WEBAPP.glob(f"{package}.py"), *WEBAPP.glob(f"{package}/**/*.py")]
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in files
    ]

    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_FLASK, *names], cwd=ROOT, capture_output=True, text=True
    )

    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("rule", "line", "broken"),
    [
        (commits, "session.commit()", True),
        (commits, "self.db.session().commit()", True),
        (commits, "commit = 1", False),
        (clock_readings, "datetime.now(UTC)", True),
        (clock_readings, "dt.datetime.utcnow()", True),
        (clock_readings, "field(default_factory=date.today)", True),
        (clock_readings, "time.time()", True),
        (clock_readings, "from time import time", True),
        (clock_readings, "server_default=func.now()", True),
        (clock_readings, "time.monotonic()", False),
        (clock_readings, "time.perf_counter()", False),
        (clock_readings, "clock.now()", False),
        (signatures_without_context, "def f(session, account, now): ...", True),
        (signatures_without_context, "def f(account, ctx): ...", True),
        (signatures_without_context, "def f(ctx, account, *, now): ...", True),
        (signatures_without_context, "def f(ctx, account): ...", False),
        (signatures_without_context, "def f(account, now): ...", False),
    ],
)
def test_the_architecture_rules_detect_violations(rule, line, broken):
    assert bool(list(rule(ast.parse(line)))) is broken


def test_no_line_of_a_template_is_longer_than_200_characters():
    long_lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "templates").rglob("*.html")
        if "email" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 200
    ]
    assert long_lines == []
