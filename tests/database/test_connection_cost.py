"""What a connection costs, in its parts."""

import pytest

from lab_support.database import Backend
from lab_support.database.connection_cost import connection_cost
from lab_support.pools import DatabaseUnreachableError


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
async def test_new_connection_costs_more_than_a_query_on_an_open_one(
    backend: Backend, database_url: str
) -> None:
    """Every part was measured, and together they are what a pool saves."""
    cost = await connection_cost(database_url, repeats=5, limit_s=60)

    assert min(cost.network_s, cost.server_s, cost.query_s) > 0
    assert cost.total_s > cost.query_s


async def test_server_that_is_not_there_is_told_in_one_line() -> None:
    """The URL is shown without its password."""
    with pytest.raises(DatabaseUnreachableError, match=r"me:\*\*\*@127\.0\.0\.1:1/shop"):
        await connection_cost("postgresql://me:hush@127.0.0.1:1/shop")


@pytest.mark.parametrize(("url", "repeats"), [("sqlite:///shop.db", 1), ("postgresql://127.0.0.1/shop", 0)])
async def test_what_has_no_connection_is_refused(url: str, repeats: int) -> None:
    """SQLite opens a file; and nothing can be said of no connection."""
    with pytest.raises(ValueError, match=r"no server|1 or more"):
        await connection_cost(url, repeats=repeats)
