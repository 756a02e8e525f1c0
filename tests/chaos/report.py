"""The result of a run as a table for people and as JSON for programs."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from statistics import median

from tests.chaos.fail_over import FailOver
from tests.chaos.run import Outcome
from tests.chaos.steps import place_of
from tests.chaos.tally import ALL_AT_ONCE, PRIMARY, RANDOM_MOMENT

SHOWN = 40
"""Number of differences shown in full; one cause may produce thousands."""


def table(outcome: Outcome, command: str) -> Iterator[str]:
    """Yield the report line by line."""
    yield from _steps(outcome)
    yield ""
    yield from _books(outcome)
    yield ""
    tally = outcome.tally
    yield from _fail_overs(outcome)
    yield from _listed("Steps never reached", tally.never_reached)
    yield from _listed("Steps reached without a kill", tally.never_killed)
    yield ""
    for difference in outcome.differences[:SHOWN]:
        yield f"DIFFERENCE, {difference.kind}: {difference.message}"
    yield (
        f"{tally.count} kills in {outcome.seconds:.0f} s "
        f"({60 * tally.count / outcome.seconds:.0f} a minute). "
        f"Differences: {len(outcome.differences) or 'none'}."
    )
    yield f"Repeat with: {command}"


def as_json(outcome: Outcome, command: str) -> dict[str, object]:
    return {
        "command": command,
        "seconds": round(outcome.seconds, 1),
        "kills": outcome.tally.count,
        "kills_at": dict(outcome.tally.kills),
        "never_reached": outcome.tally.never_reached,
        "never_killed": outcome.tally.never_killed,
        **asdict(outcome.figures),
        "fail_overs": [asdict(fail_over) for fail_over in outcome.fail_overs],
        "actions": dict(outcome.journal.actions),
        "answers": dict(outcome.journal.answers),
        "lost": outcome.journal.lost,
        "differences": [asdict(difference) for difference in outcome.differences],
    }


def _steps(outcome: Outcome) -> Iterator[str]:
    """Yield a line for each commit or call: processes that passed, kills before and after it."""
    kills, passes = outcome.tally.kills, outcome.tally.passes
    points = sorted({_point(step) for step in passes})
    yield f"{'step':<58}{'passed':>9}{'before':>9}{'after':>9}"
    for place, call in points:
        before, after = (f"{place}: {when} {call}" for when in ("before", "after"))
        name = f"{place}, {call}"
        yield f"{name:<58}{passes[before]:>9}{kills[before]:>9}{kills[after]:>9}"
    for cause in (RANDOM_MOMENT, ALL_AT_ONCE, PRIMARY):
        yield f"{cause:<67}{kills[cause]:>9}"


def _fail_overs(outcome: Outcome) -> Iterator[str]:
    """Yield the minimum, median and maximum of each duration, in seconds from the kill."""
    for field in fields(FailOver) if outcome.fail_overs else ():
        seconds = sorted(getattr(fail_over, field.name) for fail_over in outcome.fail_overs)
        summary = " / ".join(f"{s:.1f}" for s in (seconds[0], median(seconds), seconds[-1]))
        name = f"{field.name.replace('_', ' ')}, seconds from the kill"
        yield f"{name:<50}{summary:>17}"


def _listed(title: str, steps: list[str]) -> Iterator[str]:
    yield f"{title}: {len(steps) or 'none'}"
    yield from (f"  {step}" for step in steps)


def _point(step: str) -> tuple[str, str]:
    """Return the place of a step and the commit or call that it precedes or follows."""
    return place_of(step), step.rpartition(" ")[2]


def _books(outcome: Outcome) -> Iterator[str]:
    figures, journal = outcome.figures, outcome.journal
    answered = sum(debit.answered for debit in journal.debits.values())
    errors = sum(n for code, n in journal.answers.items() if code.startswith("5"))
    lines = {
        "charges at the processor": figures.charges,
        "… credited in the ledger": figures.credits,
        "declines": figures.declines,
        "top-ups": figures.top_ups,
        "Retries": figures.retries,
        "wires completed": figures.wires,
        "usage records answered": answered,
        "usage records in the ledger": figures.debits,
        "emails received": figures.mails,
        "… again, under the same Message-ID": figures.copies,
        "refunds, disputes and reversals": figures.reversals,
        "… returned": figures.returned_reversals,
        "receipts": figures.receipts,
        "processor events, each sent up to ten times": figures.events_in,
        "webhooks delivered": figures.events_out,
        "… again, under the same id": figures.event_copies,
        "holds": figures.holds,
        "… ended by usage": figures.holds_used,
        "requests answered": journal.answers.total(),
        "… with a lost connection": journal.lost,
        "… with an error page": errors,
        "cards at the processor orphaned by a kill": figures.orphans,
        "differences": len(outcome.differences),
    }
    yield from (f"{name:<58}{count:>9,}" for name, count in lines.items())
