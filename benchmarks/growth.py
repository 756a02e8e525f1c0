"""Compare the same pages of a large and a small installation."""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.bench import Bench, alternate
from benchmarks.load import details, milliseconds
from benchmarks.rows import Row, at_most
from benchmarks.servers import Server

Requests = Sequence[Sequence[bytes]]
"""One row per connection: the requests it repeats."""

Asks = Callable[[Server], Requests]
"""Signs in to the server and returns the requests to measure."""


def measure(
    bench: Bench,
    noun: str,
    make: Callable[[int], tuple[Path, Asks]],
    *,
    figure: str,
    bound_is: str,
) -> list[Row]:
    """Measure both. `make` returns a home with the given number of objects, and its requests."""
    many, few = bench.sizes.accounts, bench.sizes.few
    (home, asks), (home_there, asks_there) = make(many), make(few)
    with (
        bench.serving(home, f"{many:,} {noun}") as here,
        bench.serving(home_there, f"{few:,} {noun}") as there,
    ):
        pages, pages_there = asks(here), asks_there(there)
        ours, bound = alternate(
            bench.sizes.rounds,
            lambda: bench.drive(here, pages),
            lambda: bench.drive(there, pages_there),
        )
    return [
        Row(
            figure=figure,
            unit="ms a page",
            ours=milliseconds(ours),
            bound=milliseconds(bound),
            bound_is=f"{bound_is} at {few:,} {noun}",
            aim=at_most(1.2, "1.2 ×"),
            details=details(ours, bound),
        )
    ]
