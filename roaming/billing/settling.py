"""Statements of two parties: reckoned from what is stored, closed, reopened.

A CDR belongs to the month of its end. One that comes after that month was closed belongs to the first month after it
that is open. Closing twice changes nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from roaming.billing import announcing, disputes, receiving
from roaming.billing import settlement_repository as repository
from roaming.billing.checks import Outcome
from roaming.billing.exchange.rates import Rates
from roaming.billing.exchange.repository import rates_of
from roaming.billing.ledger import Posting, posting_of_cdr, postings_of_closing, reversal_of
from roaming.billing.months import bounds_of, month_of
from roaming.billing.repository import outcomes_of, verdicts_of
from roaming.billing.settlement_repository import CLOSED, REOPENED, KeptStatement
from roaming.billing.statement import Billed, Edition, Pair, Statement, Status, line_of, state, statement_id
from roaming.billing.terms import Terms
from roaming.modules.cdrs.repository import Ended, credited_among, ended_between
from roaming.ocpi.module import Services
from roaming.store.database import Work

PAGE = 1000
TRIES = 3
"""So often a month is reckoned anew whose CDRs or disputes change while it is closed."""


class NotClosable(ValueError):
    """This statement cannot be closed or reopened now. The text says why and what to do."""


class NoSuchVersion(LookupError):
    """The statement was not closed so often."""


async def statement_of(services: Services, pair: Pair, month: str) -> tuple[Statement, KeptStatement | None]:
    """The statement of a month: as it was closed, with the rates of then, or as it would be now; and what is stored of
    it. Raises ``ValueError`` for what is no month, ``MissingRate`` and ``StoreUnavailable``."""
    found = await _as_it_stands(services, pair, month)
    return found.statement, found.kept


class _Reckoned(NamedTuple):
    """A statement and what of the store it was made from."""

    statement: Statement
    kept: KeptStatement | None
    since: datetime
    until: datetime
    keys: frozenset[str] = frozenset()
    disputed: frozenset[str] = frozenset()


async def _as_it_stands(services: Services, pair: Pair, month: str) -> _Reckoned:
    reader = services.database.reader
    kept = {each.statement.month: each for each in await repository.statements_of(reader, pair)}
    month = month_of(bounds_of(month)[0])
    earlier = kept.get(month)
    if earlier is not None and earlier.is_closed:
        return _Reckoned(earlier.statement, earlier, *bounds_of(month))
    closed = {name for name, each in kept.items() if each.is_closed}
    return await _reckoned(services, pair, month, closed, earlier)


async def version_of(services: Services, pair: Pair, month: str, version: int = 0) -> tuple[Statement, Edition]:
    """What ``statement_of`` gives, or (of ``version``, from 1) as it was closed then. Raises ``NoSuchVersion`` too."""
    if not version:
        statement, kept = await statement_of(services, pair, month)
        return statement, repository.edition_now(kept)
    kept = await repository.version_of(services.database.reader, statement_id(pair, month), version)
    if kept is None:
        raise NoSuchVersion(
            f"version {version} of {month} of {pair.one} and {pair.other} was never closed, or not kept"
        )
    return kept.statement, kept.edition


async def _reckoned(
    services: Services, pair: Pair, month: str, closed: set[str], kept: KeptStatement | None
) -> _Reckoned:
    reader = services.database.reader
    since, until = bounds_of(_months_open_to(month, closed)[0])[0], bounds_of(month)[1]
    entries = await _entries(services, pair, since, until)
    settled = await repository.settled_by(reader, [each.key for each in entries])
    entries = [each for each in entries if each.key not in settled]
    disputed = await disputes.open_ones(reader, [each.key for each in entries])
    billed = [Billed(each.key, each.cdr, each.key in disputed) for each in entries]
    terms = await _terms(services, pair, month)
    rates = await _rates(services, terms, entries)
    # Not here: a hundred thousand CDRs would hold up all that this process serves
    statement = await asyncio.to_thread(state, pair, month, billed, terms, rates)
    return _Reckoned(statement, kept, since, until, frozenset(each.key for each in entries), disputed)


async def _rates(services: Services, terms: Mapping[tuple[str, str], Terms], entries: Sequence[Ended]) -> Rates:
    sources = {each.exchange.source for each in terms.values() if each.exchange.currency}
    if not sources or not entries:
        return Rates()
    ends = [each.cdr.end_date_time for each in entries]
    first, last = (bounds_of(month_of(end)) for end in (min(ends), max(ends)))
    known = await rates_of(services.database.reader, sources=sources, since=first[0].date(), until=last[1].date())
    return Rates(known, today=services.clock.now().date())


async def _terms(services: Services, pair: Pair, month: str) -> dict[tuple[str, str], Terms]:
    ours = {(str(pair.one), str(pair.other)), (str(pair.other), str(pair.one))}
    agreed = await repository.terms_of(services.database.reader, month)
    return {of: terms for of, terms in agreed.items() if of in ours}


def _months_open_to(month: str, closed: set[str]) -> list[str]:
    """The month, and the closed ones right before it, whose late CDRs it takes."""
    months = [month]
    while (before := _month_before(months[0])) in closed:
        months.insert(0, before)
    return months


def _month_before(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year - (number == 1):04d}-{number - 1 or 12:02d}"


async def _entries(services: Services, pair: Pair, since: datetime, until: datetime) -> list[Ended]:
    found: list[Ended] = []
    for cpo, emsp in (pair, (pair.other, pair.one)):
        found += await ended_between(services.database.reader, since, until, cpo=cpo, emsp=emsp)
    return found


async def close(services: Services, pair: Pair, month: str, *, is_held_paid: bool = False) -> tuple[Statement, bool]:
    """Closes a month and writes the ledger; the statement, and whether it was open. ``is_held_paid``: what the check
    holds is paid with it. Raises ``NotClosable`` and ``MissingRate``."""
    for _ in range(TRIES):
        await disputes.close_credited(services.database)
        found = await _as_it_stands(services, pair, month)
        if found.kept is not None and found.kept.is_closed:
            return found.statement, False
        if found.until > services.clock.now():
            raise NotClosable(f"{found.statement.month} is not over yet: charges may still end in it")
        if not found.statement.lines:
            await _must_be_known(services, pair)
        theirs = [] if is_held_paid else await _checked(services, found.statement)
        closed = await _close(services, pair, found, theirs)
        if closed is not None:
            return closed
    raise NotClosable(
        f"CDRs or disputes of {found.statement.month} changed {TRIES} times while it was closed: close it again when"
        " that is over"
    )


async def _close(
    services: Services, pair: Pair, found: _Reckoned, theirs: Sequence[str]
) -> tuple[Statement, bool] | None:
    """``None``: it is no longer what it was reckoned from."""
    statement = found.statement
    counted = [line.key for line in statement.lines if line.status is Status.COUNTED]
    async with services.database.work() as work:
        held = await repository.hold_statement(work, statement.id)
        if held is not None and held.is_closed:
            return held.statement, False
        disputed = await disputes.open_ones_held(work, found.keys)
        if disputed != found.disputed:
            return None
        if await repository.unsettled_between(work, pair, found.since, found.until) != found.keys:
            return None
        await _must_not_be_held(work, statement, [key for key in theirs if key not in disputed])
        closings = 1 + (held.closings if held is not None else 0)
        if taken := await repository.settle(work, statement.id, counted):
            raise NotClosable(f"CDR {taken[0]} was settled by another statement meanwhile: look at this one again")
        await repository.write_statement(work, statement, state=CLOSED, closings=closings, reason="")
        await repository.post(work, [posting_of_cdr(line) for line in statement.lines])
        await repository.post(work, postings_of_closing(statement, closings))
        await announcing.statement_closed(work, statement, closings)
    return statement, True


async def _checked(services: Services, statement: Statement) -> list[str]:
    """The counted CDRs that are checked: partners', and those between two parties that are both hosted here. What was
    not checked so far is."""
    counted = [line.key for line in statement.lines if line.status is Status.COUNTED]
    reader = services.database.reader
    kept = await verdicts_of(reader, counted)
    unchecked = [key for key in counted if key not in kept]
    found = set(kept)
    for start in range(0, len(unchecked), PAGE):
        found |= {each.entry.key for each in await receiving.check_keys(services, unchecked[start : start + PAGE])}
    return [key for key in counted if key in found]


async def _must_not_be_held(work: Work, statement: Statement, theirs: Sequence[str]) -> None:
    """What is wrong is found before it is paid: CDRs that the check holds, and no person has taken or disputed, are
    nobody's to pay yet."""
    outcomes = await outcomes_of(work, theirs)
    held = {key for key in theirs if outcomes.get(key) != Outcome.ACCEPT}
    held -= await credited_among(work.connection, sorted(held))
    if held:
        ids = sorted(line.cdr_id for line in statement.lines if line.key in held)
        named = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
        raise NotClosable(
            f"the check holds {named}: `roaming cdr check --month {statement.month}` (POST /api/cdr-checks) says why;"
            " dispute or accept each, or close with --pay-held (`pay_held=true` over HTTP)"
        )


async def _must_be_known(services: Services, pair: Pair) -> None:
    """A month without CDRs may be closed; one of a party that is misspelt is not."""
    directory = await services.directory.current()
    roles = [*directory.hosted, *(role for partner in directory.partners.values() for role in partner.roles)]
    known = {role.party for role in roles}
    for party in pair:
        if party not in known:
            text = f"there is nothing to settle, and nobody knows {party}"
            raise NotClosable(f"{text}: see `roaming party list` and `roaming partner list`")


async def reopen(services: Services, pair: Pair, month: str, reason: str) -> Statement:
    """Unlocks a month that was closed and reverses what closing it wrote. Raises ``NotClosable``."""
    if not reason.strip():
        raise NotClosable("a statement is reopened for a reason that others can read")
    kept = await repository.statements_of(services.database.reader, pair)
    later = [each.statement.month for each in kept if each.is_closed and each.statement.month > month]
    if later:
        raise NotClosable(f"{later[-1]} is closed and may settle CDRs of {month}: reopen it first")
    async with services.database.work() as work:
        held = await repository.hold_statement(work, statement_id(pair, month))
        if held is None or not held.is_closed:
            raise NotClosable(f"{month} of {pair.one} and {pair.other} is not closed")
        statement = held.statement
        await repository.release(work, statement.id)
        await repository.write_statement(work, statement, state=REOPENED, closings=held.closings, reason=reason)
        await repository.post(work, map(reversal_of, postings_of_closing(statement, held.closings)))
        await announcing.statement_reopened(work, statement, held.closings, reason)
    return statement


async def post_month(services: Services, month: str) -> int:
    """Writes the entries of all CDRs of a month that are not in the ledger yet; how many entries are new. Raises
    ``StoreUnavailable``."""
    since, until = bounds_of(month)
    after = None
    new = 0
    while page := await ended_between(services.database.reader, since, until, after=after, limit=PAGE):
        after = (page[-1].cdr.end_date_time, page[-1].key)
        postings: list[Posting] = [
            posting_of_cdr(line_of(Billed(each.key, each.cdr, False), is_withheld=False)) for each in page
        ]
        async with services.database.work() as work:
            new += await repository.post(work, postings)
    return new
