"""A customer switches auto-charge, again and again: the post, and the parts that it brings back."""

from sqlalchemy import func, select

from benchmarks import customers, homes, http
from benchmarks.bench import CONNECTIONS, Bench, House, alternate
from benchmarks.load import rates, told
from benchmarks.rows import Row, at_least
from webapp.domain.accounts.audit import AuditEntry
from webapp.extensions import db


def measure(bench: Bench) -> list[Row]:
    house, bare = bench.house, bench.bare
    page = house.browser.get(f"{house.server.url}{customers.PAGE}").text
    token = customers.csrf_token(page)
    # Each connection has a row of its own, and switches it off first: all were on.
    switches = [
        [_switch(house, method, on, token) for on in ("0", "1")]
        for method in house.methods[-CONNECTIONS:]
    ]
    least = [[http.get(bare, "/")]] * CONNECTIONS
    before = _switched(house)
    ours, bound = alternate(
        bench.sizes.rounds,
        lambda: bench.drive(house.server, switches),
        lambda: bench.drive(bare, least),
    )
    _prove(house, before, sum(load.answered for load in ours), len(ours))
    return [
        Row(
            figure="Auto-charge toggle, round trip",
            unit="requests/s",
            ours=rates(ours),
            bound=rates(bound),
            bound_is="bare Flask view",
            aim=at_least(1 / 10, "1/10"),
            details=told(ours, bound),
        )
    ]


def _switch(house: House, method: int, on: str, token: str) -> bytes:
    path = f"{customers.PAGE}/{method}/auto-charge"
    form = {"csrf_token": token, "on": on}
    return http.post_form(house.server, path, form, house.browser, customers.PAGE)


def _switched(house: House) -> int:
    """How often the audit log says so."""
    with homes.application(house.home):
        query = select(func.count()).where(AuditEntry.what == "auto_charge")
        return db.session.scalar(query) or 0


def _prove(house: House, before: int, answered: int, rounds: int) -> None:
    seen = _switched(house) - before
    # A connection may begin a round with the state that it ended the last one with.
    if not answered - rounds * CONNECTIONS <= seen <= answered:
        raise RuntimeError(f"{answered} switches were answered, the audit log has {seen}")
