"""Caches for work that is the same for every test's application; it would take half the run.

They last as long as the process: `make mutants` runs many sessions of tests in copies of one.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler

from jinja2 import Environment
from sqlalchemy import Engine
from werkzeug.routing import Rule
from whitenoise import WhiteNoise

MEMORY = Path("/dev/shm")

SPACE_NEEDED = 4 * 2**30
"""Bytes. In a container `MEMORY` often has 64 MiB, which a test run exceeds."""

_ADDRESSES = dict[object, dict[str, object]]()
_TEMPLATES = dict[object, object]()
_STATIC_FILES = dict[object, dict[str, object]]()
_MADE = dict[str, tuple[dict[Path, bytes], object]]()

RESULTS = ("_build", "_build_unknown", "_converters", "_parts", "_trace", "arguments")


def use_memory() -> None:
    """Keep temporary files in memory if they fit: on a disk, commits take half of a test's time."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > SPACE_NEEDED:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


@contextmanager
def addresses() -> Iterator[None]:
    """Cache compiled URL rules: Werkzeug otherwise compiles each rule for each application."""
    compile_rule, compiled = Rule.compile, _ADDRESSES

    def compile_once(rule: Rule) -> None:
        key = rule.rule, repr(rule.defaults)
        if key not in compiled:
            compile_rule(rule)
            compiled[key] = {name: getattr(rule, name) for name in RESULTS}
        vars(rule).update(compiled[key])

    Rule.compile = compile_once
    yield
    Rule.compile = compile_rule


@contextmanager
def templates() -> Iterator[None]:
    """Cache compiled templates: Jinja compiles each template once per environment."""
    compile_template, compiled = Environment.compile, _TEMPLATES

    def compile_once(env: Environment, source: str, name=None, filename=None, **more) -> object:
        key = type(env), source, name, filename, *more.items()
        if key not in compiled:
            compiled[key] = compile_template(env, source, name, filename, **more)
        return compiled[key]

    Environment.compile = compile_once
    yield
    Environment.compile = compile_template


@contextmanager
def static_files() -> Iterator[None]:
    """Cache static files: WhiteNoise otherwise reads every file for each application."""
    add, added = WhiteNoise.add_files, _STATIC_FILES

    def add_once(server: WhiteNoise, root: str, prefix: str | None = None) -> None:
        if (root, prefix) not in added:
            add(server, root, prefix)
            added[root, prefix] = dict(server.files)
        server.files.update(added[root, prefix])

    WhiteNoise.add_files = add_once
    yield
    WhiteNoise.add_files = add


@contextmanager
def sockets() -> Iterator[None]:
    """Send every write of a stand-in's server at once.

    A handler writes the headers and the body separately. With Nagle's algorithm the body waits
    about 40 ms for the client to acknowledge the headers.
    """
    StreamRequestHandler.disable_nagle_algorithm = True
    yield
    StreamRequestHandler.disable_nagle_algorithm = False


def made_once(name: str, folder: Path, make: Callable[[], object]) -> object:
    """Fill the folder by `make` the first time, and by the same files afterwards.

    Returns what `make` returned.
    """
    if name not in _MADE:
        result = make()
        files = [file for file in folder.rglob("*") if file.is_file()]
        _MADE[name] = {file.relative_to(folder): file.read_bytes() for file in files}, result
        return result
    files, result = _MADE[name]
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return result


class Statements:
    """Reuse one SQLAlchemy engine, because compiled statements are cached per engine.

    The engine is redirected from one test's SQLite file to the next.
    """

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def engine_like(self, engine: Engine) -> Engine:
        """Return an engine for the same database that keeps its cache of compiled statements."""
        self._engine = self._engine or engine
        self._engine.pool, self._engine.url = engine.pool, engine.url
        return self._engine
