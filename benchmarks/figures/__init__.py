"""One figure per file: prepare, measure ours and the bound in turn, verify, report."""

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.figures import (
    crowd_page,
    due_at_once,
    emails,
    first_load,
    heavy_page,
    holds,
    memory,
    page,
    payments_page,
    pickup,
    sweep,
    toggle,
    usage_batch,
    usage_import,
    usage_single,
)
from benchmarks.rows import Row

FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "page": page.measure,
    "toggle": toggle.measure,
    "crowd-page": crowd_page.measure,
    "payments-page": payments_page.measure,
    "sweep": sweep.measure,
    "usage-single": usage_single.measure,
    "usage-batch": usage_batch.measure,
    "holds": holds.measure,
    "pickup": pickup.measure,
    "due-at-once": due_at_once.measure,
    "emails": emails.measure,
    "usage-import": usage_import.measure,
    "heavy-page": heavy_page.measure,
    "memory": memory.measure,
    "first-load": first_load.measure,
}
"""Figures by name, in the order of the run: memory comes after the default installation's load."""
