"""A partner's list set beside the statement of a month, and a party's book read and written."""

from collections.abc import AsyncIterator
from decimal import Decimal, InvalidOperation, localcontext

from roaming.billing import matching, settling
from roaming.billing import settlement_repository as repository
from roaming.billing.checks.amounts import SUMS
from roaming.billing.ledger import balances_of
from roaming.billing.matching import MalformedList, Matched
from roaming.billing.settlement_repository import Booked
from roaming.billing.statement import Pair
from roaming.ocpi.module import Services

PAGE = 10_000
Places = dict[tuple[str, str, str, str], Decimal]


def allowed(tolerance: str) -> Decimal:
    """How much amounts may differ. Raises ``MalformedList``."""
    try:
        amount = Decimal(tolerance)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise MalformedList(f"tolerance: {tolerance[:40]!r} is no amount; write it as 0.01")
    return amount


async def reconcile(services: Services, pair: Pair, month: str, text: str, *, tolerance: str = "0") -> list[Matched]:
    """A list as ``matching.read_list`` takes it beside the statement, as it was closed or would be now. Raises
    ``MalformedList``, ``MissingRate`` and ``StoreUnavailable``."""
    most = allowed(tolerance)
    listed = matching.read_list(text)
    statement, _ = await settling.statement_of(services, pair, month)
    return matching.match(statement.lines, listed, tolerance=most)


async def book_of(services: Services, book: str) -> AsyncIterator[list[Booked]]:
    """All entries of a party's book, a page at a time. Raises ``StoreUnavailable``."""
    after = 0
    while page := await repository.entries_after(services.database.reader, book, after=after, limit=PAGE):
        after = page[-1].id
        yield page


async def balances_of_book(services: Services, book: str) -> Places:
    """Debit less credit by (book, account, counterparty, currency). Raises ``StoreUnavailable``."""
    found: Places = {}
    with localcontext(SUMS):
        async for page in book_of(services, book):
            for place, amount in balances_of(each.entry for each in page).items():
                found[place] = found.get(place, Decimal(0)) + amount
    return found
