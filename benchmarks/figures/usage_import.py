"""Import of a usage file with a million lines of 1,000 accounts, ordered by time."""

import csv
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

from benchmarks import copies, customers, homes, servers, sqlite
from benchmarks.bench import Bench, alternate
from benchmarks.rows import Row, at_least, at_most
from webapp.settings import ROOT

ACCOUNTS = 1_000


def measure(bench: Bench) -> list[Row]:
    lines = bench.sizes.lines
    folder = Path(mkdtemp(prefix="import-", dir=bench.folder))
    fresh = homes.new_home(bench.folder)
    with homes.application(fresh) as it:
        customers.sign_up(it)
    copies.multiply(fresh, ACCOUNTS)
    whole, tenth = folder / "usage.csv", folder / "tenth.csv"
    _write(whole, lines)
    _write(tenth, lines // 10)
    ours, bound = alternate(
        bench.sizes.import_rounds,
        lambda: _import(whole, fresh, folder),
        lambda: _bare(whole, fresh, folder),
    )
    _, small = _import(tenth, fresh, folder)
    return [
        Row(
            figure=f"Import of {lines:,} usage lines",
            unit="lines/s",
            ours=tuple(lines / taken for taken, _ in ours),
            bound=tuple(lines / taken for taken in bound),
            bound_is="bare executemany of the file's rows",
            aim=at_least(1 / 4, "1/4"),
        ),
        Row(
            figure=f"Import of {lines:,} usage lines, memory at its peak",
            unit="MB",
            ours=tuple(peak / 1e6 for _, peak in ours),
            bound=tuple(small / 1e6 for _ in ours),
            bound_is=f"import of {lines // 10:,} lines",
            aim=at_most(1.1, "1.1 × (flat)"),
        ),
    ]


def _write(path: Path, lines: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["account", "amount", "reference", "occurred_at", "description"])
        for line in range(lines):
            at = f"2026-11-{1 + line * 20 // lines:02d}T10:{line % 60:02d}:00Z"
            account = line % ACCOUNTS + 1
            rows.writerow([account, "0.0215", f"line-{line}", at, "Outbound calls, Ireland mobile"])


def _import(path: Path, fresh: Path, folder: Path) -> tuple[float, int]:
    """Import the file. Returns seconds and peak memory in bytes."""
    home = homes.copy_home(fresh, Path(mkdtemp(dir=folder)))
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "usage", "import", str(path)]
    log = folder / "import.log"
    begin = time.perf_counter()
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=ROOT, env=servers.environment(home), stdout=stream, stderr=stream
        )
        peak = _watch(process)
    taken = time.perf_counter() - begin
    said = log.read_text()
    lines = sum(1 for _ in path.open(encoding="utf-8")) - 1
    if process.returncode or f"{lines:,} imported, 0 duplicates, 0 errors." not in said:
        raise RuntimeError(f"the import ended with {process.returncode}:\n{said[-2000:]}")
    homes.prove(home)
    return taken, peak


def _watch(process: "subprocess.Popen[bytes]") -> int:
    """Wait for the process and return its peak memory in bytes.

    The kernel's `ru_maxrss` is not used, because it includes this process's memory before `exec`.
    """
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        with suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
            peak = int(found[1]) * 1024 if found else peak
        time.sleep(0.02)
    return peak


def _bare(path: Path, like: Path, folder: Path) -> float:
    """Insert the file's rows with bare SQLite and return seconds."""
    file = Path(mkdtemp(dir=folder)) / "ledger.db"
    database = sqlite.bare_ledger(file, like / "ballast.db")
    begin = time.perf_counter()
    database.execute("BEGIN IMMEDIATE")
    database.executemany(sqlite.INSERT, _rows(path))
    database.execute("COMMIT")
    taken = time.perf_counter() - begin
    database.close()
    return taken


def _rows(path: Path) -> Iterator[tuple[object, ...]]:
    with path.open(encoding="utf-8", newline="") as stream:
        lines = csv.reader(stream)
        next(lines)
        for account, _, reference, _, _ in lines:
            yield sqlite.ledger_row(int(account), 21_500, reference)
