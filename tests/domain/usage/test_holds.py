"""The sum of open holds, which each authorisation reads (V5)."""

from tests.conftest import on_sqlite
from tests.query_plans import plans_of
from webapp.domain.usage.funds import Funds

SUM = "SEARCH hold USING COVERING INDEX ix_hold_open (account_id=? AND expires_at>?)"


@on_sqlite
def test_the_sum_of_open_holds_is_read_from_an_index_alone(world):
    """Not from the rows of the holds, however many are open or have ended."""
    assert SUM in plans_of(world.session, lambda: Funds.of(world.ctx, world.account_id))
