"""Memory of the processes of a default installation after all other figures."""

from benchmarks.bench import Bench
from benchmarks.rows import Row, at_most


def measure(bench: Bench) -> list[Row]:
    held = bench.memory | {"default installation": bench.default.server.memory}
    most = max(held, key=lambda name: held[name])
    return [
        Row(
            figure="Memory of the default installation after the runs",
            unit="MB",
            ours=(held[most] / 1e6,),
            aim=at_most(150, "150 MB"),
            note=f"the maximum of {len(held)} installations: {most}",
            details={name: round(size / 1e6, 1) for name, size in held.items()},
        )
    ]
