"""The same pages where there are many of something, and where there are few."""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.bench import Bench, alternate
from benchmarks.load import milliseconds, told
from benchmarks.rows import Row, at_most
from benchmarks.servers import Server

Requests = Sequence[Sequence[bytes]]
"""One row for each connection: what it sends, over and over."""

Asks = Callable[[Server], Requests]
"""Signs in there."""


def measure(
    bench: Bench,
    noun: str,
    make: Callable[[int], tuple[Path, Asks]],
    *,
    figure: str,
    bound_is: str,
) -> list[Row]:
    """`make`: a home with so many of them, and what its server is then asked for."""
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
            details=told(ours, bound),
        )
    ]
