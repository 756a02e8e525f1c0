"""`flask processors`: check the payment processors' configuration."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from webapp.cli.shared.output import Commands, lines, prints
from webapp.extensions import Services, make_context, services
from webapp.ports import Checked, Finding, Listed, ListsEvents, Processor, RequestRejected
from webapp.reads.payments.processor_events import read_event_status

commands = Commands("processors", help="Payment processors.")


def _line(row: dict[str, object]) -> str:
    mark = "ok" if row["right"] else "FAILED"
    return f"{row['processor']}, {row['what']}: {mark}. {row['said']}"


@commands.command()
@prints(
    lines(_line, "Nothing to check: no real processor is configured."),
    code=lambda found: 0 if all(row["right"] for row in found) else 1,
)
def check() -> list[dict[str, object]]:
    """Check keys, features, version, webhook, clock and events at each processor.

    Exit code 1 if a check fails. It charges nothing and changes nothing.
    """
    return [
        {"processor": name, "what": one.what, "right": one.is_right, "said": one.result}
        for name, processor in services().processors.items()
        for one in _findings(services(), name, processor)
    ]


def _findings(services: Services, name: str, processor: Processor) -> Iterator[Finding]:
    if isinstance(processor, Checked):
        yield from processor.check(f"{services.settings.base_url}/webhooks/{name}")
    if isinstance(processor, ListsEvents):
        now = services.clock.now()
        yield _list(processor, now)
        status = read_event_status(make_context().at(now), name)
        yield Finding("events", status.is_right, status.sentence)


def _list(processor: ListsEvents, now: datetime) -> Finding:
    """Check that missed events can be listed (L17)."""
    answer = processor.list_events(now - timedelta(hours=1), now)
    if isinstance(answer, Listed):
        return Finding("event list", True, "Events missed by the webhook can be listed")
    is_refused = isinstance(answer, RequestRejected)
    do = "Allow the key to read them." if is_refused else "Check the network, then try again."
    return Finding("event list", False, f"Events cannot be listed: {answer.reason}. {do}")
