"""`python -m benchmarks`: measure all figures or the named ones."""

import argparse
import logging
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

from benchmarks import table
from benchmarks.bench import FULL, SHORT, Bench, Sizes
from benchmarks.figures import FIGURES
from benchmarks.load import Generator
from benchmarks.rows import Row

log = logging.getLogger(__name__)

RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    options = _arguments()
    if options.list:
        print("\n".join(FIGURES))
        return 0
    sizes = SHORT if options.short else FULL
    # After SIGTERM the servers are stopped and the files removed, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    machine, begin = table.Machine(), time.monotonic()
    # In the list's order, because some figures leave data that others must not meet.
    rows, failed = run(
        sizes, [name for name in FIGURES if name in options.figure or not options.figure]
    )
    taken = time.monotonic() - begin
    table.write(RESULTS, rows, machine, sizes.name, taken)
    print("\n", *(f"{line}\n" for line in table.lines(rows)), sep="")
    missed = sum(row.met is False for row in rows)
    print(f"{sizes.name} run: {taken:.0f} s, {machine}. Aims missed: {missed}. JSON: {RESULTS}")
    if failed:
        print(f"Not measured, see above: {', '.join(failed)}")
    return 1 if failed else 0


def run(sizes: Sizes, names: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Measure the figures. Returns the rows, and the names of the figures that failed."""
    folder = Path(mkdtemp(prefix="ballast-bench-"))
    rows: list[Row] = []
    failed: list[str] = []
    try:
        with Generator() as generator, closing(Bench(sizes, folder, generator)) as bench:
            for name in names:
                begin = time.monotonic()
                try:
                    rows += FIGURES[name](bench)
                except Exception:
                    # The other figures are still measured.
                    log.exception("%s could not be measured", name)
                    failed.append(name)
                print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    except Exception:
        log.exception("the default installation failed")
        failed.append("default installation")
    finally:
        shutil.rmtree(folder)
    return rows, failed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("figure", nargs="*", choices=[*FIGURES, []], help="default: all")
    parser.add_argument("--short", action="store_true", help="two minutes, with smaller sizes")
    parser.add_argument("--list", action="store_true", help="list the figures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
