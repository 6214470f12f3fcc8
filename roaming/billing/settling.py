"""Statements of two parties: reckoned from what is stored, closed, reopened.

A CDR belongs to the month of its end. One that comes after that month was closed belongs to the first month after it
that is open. Closing twice changes nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence

from roaming.billing import announcing, disputes, receiving
from roaming.billing import settlement_repository as repository
from roaming.billing.checks import Outcome
from roaming.billing.exchange.rates import Rates
from roaming.billing.exchange.repository import rates_of
from roaming.billing.ledger import Posting, posting_of_cdr, postings_of_closing, reversal_of
from roaming.billing.months import bounds_of, month_of
from roaming.billing.repository import verdicts_of
from roaming.billing.settlement_repository import CLOSED, REOPENED, KeptStatement
from roaming.billing.statement import Billed, Pair, Standing, Statement, Status, line_of, state, statement_id
from roaming.billing.terms import Terms
from roaming.modules.cdrs.repository import Ended, credits_of, ended_between
from roaming.ocpi.module import Services
from roaming.store.reader import fetch_of

PAGE = 1000


class NotClosable(ValueError):
    """This statement cannot be closed or reopened now. The text says why and what to do."""


class NoSuchVersion(LookupError):
    """The statement was not closed so often."""


async def statement_of(services: Services, pair: Pair, month: str) -> tuple[Statement, KeptStatement | None]:
    """The statement of a month: as it was closed, with the rates of then, or as it would be now; and what is stored of
    it. Raises ``ValueError`` for what is no month, ``MissingRate`` and ``StoreUnavailable``."""
    reader = services.database.reader
    kept = {each.statement.month: each for each in await repository.statements_of(reader, pair)}
    month = month_of(bounds_of(month)[0])
    earlier = kept.get(month)
    if earlier is not None and earlier.is_closed:
        return earlier.statement, earlier
    closed = {name for name, each in kept.items() if each.is_closed}
    await disputes.close_credited(services.database)
    return await _reckoned(services, pair, month, closed), earlier


async def version_of(services: Services, pair: Pair, month: str, version: int = 0) -> tuple[Statement, Standing]:
    """What ``statement_of`` gives, or (of ``version``, from 1) as it was closed then. Raises ``NoSuchVersion`` too."""
    if not version:
        statement, kept = await statement_of(services, pair, month)
        return statement, repository.standing_now(kept)
    kept = await repository.version_of(services.database.reader, statement_id(pair, month), version)
    if kept is None:
        raise NoSuchVersion(
            f"version {version} of {month} of {pair.one} and {pair.other} was never closed, or not kept"
        )
    return kept.statement, kept.standing


async def _reckoned(services: Services, pair: Pair, month: str, closed: set[str]) -> Statement:
    reader = services.database.reader
    entries = await _entries(services, pair, _months_open_to(month, closed))
    settled = await repository.settled_by(reader, [each.key for each in entries])
    entries = [each for each in entries if each.key not in settled]
    disputed = await _disputed(services, [each.key for each in entries])
    billed = [Billed(each.key, each.cdr, each.key in disputed) for each in entries]
    terms = await _terms(services, pair, month)
    rates = await _rates(services, terms, entries)
    # Not here: a hundred thousand CDRs would hold up all that this process serves
    return await asyncio.to_thread(state, pair, month, billed, terms, rates)


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


async def _entries(services: Services, pair: Pair, months: Sequence[str]) -> list[Ended]:
    since, until = bounds_of(months[0])[0], bounds_of(months[-1])[1]
    found: list[Ended] = []
    for cpo, emsp in (pair, (pair.other, pair.one)):
        found += await ended_between(services.database.reader, since, until, cpo=cpo, emsp=emsp)
    return found


async def close(services: Services, pair: Pair, month: str, *, is_held_paid: bool = False) -> tuple[Statement, bool]:
    """Closes a month and writes the ledger; the statement, and whether it was open. ``is_held_paid``: what the check
    holds is paid with it. Raises ``NotClosable`` and ``MissingRate``."""
    statement, kept = await statement_of(services, pair, month)
    if kept is not None and kept.is_closed:
        return statement, False
    if bounds_of(statement.month)[1] > services.clock.now():
        raise NotClosable(f"{statement.month} is not over yet: charges may still end in it")
    if not statement.lines:
        await _must_be_known(services, pair)
    if not is_held_paid:
        await _must_not_be_held(services, statement)
    counted = [line.key for line in statement.lines if line.status is Status.COUNTED]
    async with services.database.work() as work:
        held = await repository.hold_statement(work, statement.id)
        if held is not None and held.is_closed:
            return held.statement, False
        closings = 1 + (held.closings if held is not None else 0)
        if taken := await repository.settle(work, statement.id, counted):
            raise NotClosable(f"CDR {taken[0]} was settled by another statement meanwhile: look at this one again")
        await repository.write_statement(work, statement, state=CLOSED, closings=closings, reason="")
        await repository.post(work, [posting_of_cdr(line) for line in statement.lines])
        await repository.post(work, postings_of_closing(statement, closings))
        await announcing.statement_closed(work, statement, closings)
    return statement, True


async def _must_not_be_held(services: Services, statement: Statement) -> None:
    """What is wrong is found before it is paid: partners' CDRs that the check holds, and no person has taken or
    disputed, are nobody's to pay yet. What was not checked so far is."""
    counted = {line.key: line for line in statement.lines if line.status is Status.COUNTED}
    reader = services.database.reader
    theirs = [row[0] for row in await fetch_of(reader, "SELECT key FROM cdrs WHERE source <> '' AND key IN", counted)]
    kept = await verdicts_of(reader, theirs)
    unchecked = [key for key in theirs if key not in kept]
    for start in range(0, len(unchecked), PAGE):
        await receiving.check_keys(services, unchecked[start : start + PAGE])
    kept |= await verdicts_of(reader, unchecked)
    settled_otherwise = set(await credits_of(reader, theirs)) | await _disputed(services, theirs)
    held = [key for key in theirs if kept[key].outcome != Outcome.ACCEPT and key not in settled_otherwise]
    if held:
        ids = sorted(counted[key].cdr_id for key in held)
        named = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
        raise NotClosable(
            f"the check holds {named}: `roaming cdr check --month {statement.month}` says why; dispute or accept each,"
            " or close with --pay-held"
        )


async def _disputed(services: Services, keys: Sequence[str]) -> set[str]:
    sql = "SELECT cdr_key FROM disputes WHERE state = 'OPEN' AND cdr_key IN"
    return {row[0] for row in await fetch_of(services.database.reader, sql, keys)}


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
