"""What the processes of a default installation hold in memory after all that they have served."""

from benchmarks.bench import Bench
from benchmarks.rows import Row, at_most


def measure(bench: Bench) -> list[Row]:
    held = bench.memory | {"default installation": bench.house.server.memory}
    most = max(held, key=lambda name: held[name])
    return [
        Row(
            figure="Memory of the default installation after the runs",
            unit="MB",
            ours=(held[most] / 1e6,),
            aim=at_most(150, "150 MB"),
            note=f"the most of {len(held)} installations: {most}",
            details={name: round(size / 1e6, 1) for name, size in held.items()},
        )
    ]
