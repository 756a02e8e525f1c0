"""Auto-charge toggled repeatedly: the POST and the page parts in its response."""

from sqlalchemy import func, select

from benchmarks import customers, homes, http
from benchmarks.bench import CONNECTIONS, Bench, Installation, alternate
from benchmarks.load import details, rates
from benchmarks.rows import Row, at_least
from webapp.domain.events.rows import EventRow
from webapp.extensions import db


def measure(bench: Bench) -> list[Row]:
    installation, bare = bench.default, bench.bare
    page = installation.browser.get(f"{installation.server.url}{customers.PAGE}").text
    token = customers.csrf_token(page)
    # Each connection toggles another method, first off, because all are on.
    switches = [
        [_switch(installation, method, on, token) for on in ("0", "1")]
        for method in installation.methods[-CONNECTIONS:]
    ]
    least = [[http.get(bare, "/")]] * CONNECTIONS
    before = _switched(installation)
    ours, bound = alternate(
        bench.sizes.rounds,
        lambda: bench.drive(installation.server, switches),
        lambda: bench.drive(bare, least),
    )
    _prove(installation, before, sum(load.answered for load in ours), len(ours))
    return [
        Row(
            figure="Auto-charge toggle, round trip",
            unit="requests/s",
            ours=rates(ours),
            bound=rates(bound),
            bound_is="bare Flask view",
            aim=at_least(1 / 10, "1/10"),
            details=details(ours, bound),
        )
    ]


def _switch(installation: Installation, method: int, on: str, token: str) -> bytes:
    path = f"{customers.PAGE}/{method}/auto-charge"
    form = {"csrf_token": token, "on": on}
    return http.post_form(installation.server, path, form, installation.browser, customers.PAGE)


def _switched(installation: Installation) -> int:
    """Number of toggles in the audit log."""
    with homes.application(installation.home):
        query = select(func.count()).where(EventRow.audit == "auto_charge")
        return db.session.scalar(query) or 0


def _prove(installation: Installation, before: int, answered: int, rounds: int) -> None:
    seen = _switched(installation) - before
    # A connection may begin a round with the state in which the last round ended.
    if not answered - rounds * CONNECTIONS <= seen <= answered:
        raise RuntimeError(f"{answered} switches were answered, the audit log has {seen}")
