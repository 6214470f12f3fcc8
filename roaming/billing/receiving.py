"""Checks the CDRs that partners gave us, that hosted eMSPs are to pay, or that the hub passed on: gathers what is known
beside them, and keeps the verdicts.

Nothing is refused and nobody is told: what comes of a verdict is for people to decide.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

import msgspec
import structlog

from roaming.billing import announcing, repository
from roaming.billing.checks import CheckRules, Finding, Kind, Known, Outcome, Verdict, check
from roaming.billing.checks.known import Sibling, TokenKnown
from roaming.billing.months import month_of
from roaming.billing.settlement_repository import terms_of
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import Location
from roaming.model.party import Role
from roaming.model.session import Session
from roaming.model.tariff import Tariff
from roaming.modules.cdrs.repository import (
    Ended,
    Lookup,
    alike_keys,
    credits_of,
    ended_between,
    keys_alike,
    with_ids,
)
from roaming.ocpi.module import Services
from roaming.partners.agreed_readings import agreed_readings
from roaming.rating import Readings
from roaming.rating.switching import Preferred, preferred_in
from roaming.store.database import Database, Work
from roaming.store.documents import object_key, read_objects
from roaming.store.reader import Reader, fetch_of

logger = structlog.get_logger(__name__)

PAGE = 500
AROUND = timedelta(days=3)
"""How long after a charge others end that are looked for since they may exclude it."""
LONGEST = timedelta(days=31)
"""Of a charge that says it is longer, others are looked for in so much of it."""
MOST_ALIKE = 20
"""So many for each of token, EVSE and session, the first to end: what excludes a CDR is among the first at its EVSE,
and some CPOs have one token for all who pay at the station."""
READ_AT_ONCE = 128
EVER: Final = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_OF_ANY_TIME = frozenset({"alike_session", "credited_key"})


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One CDR and what was found."""

    entry: Ended
    verdict: Verdict

    @property
    def cpo(self) -> PartyId:
        return cpo_of(self.entry.cdr)

    @property
    def emsp(self) -> PartyId:
        return emsp_of(self.entry.cdr)


def cpo_of(cdr: CDR) -> PartyId:
    """Who issued it, and is to be paid."""
    return PartyId.of(cdr.country_code, cdr.party_id)


def emsp_of(cdr: CDR) -> PartyId:
    """Whose driver it was, and who is to pay."""
    return PartyId.of(cdr.cdr_token.country_code, cdr.cdr_token.party_id)


async def check_received(
    services: Services,
    since: datetime,
    until: datetime,
    *,
    partner_id: str = "",
    cpo: PartyId | None = None,
    rules: Callable[[str], CheckRules] | None = None,
    is_kept: bool = True,
) -> AsyncIterator[list[Checked]]:
    """Checks all CDRs of charges that ended in this window that are ``to_check``, a page at a time. ``rules``: by
    partner, in place of the stored ones; ``is_kept``: the verdicts are stored. Raises ``StoreUnavailable``."""
    reader = services.database.reader
    stored = await repository.rules_of(reader)
    chosen = rules or (lambda partner: repository.rules_for(stored, partner))
    after: tuple[datetime, str] | None = None
    while True:
        sources = (partner_id,) if partner_id else None
        page = await ended_between(reader, since, until, cpo=cpo, sources=sources, after=after, limit=PAGE)
        if not page:
            return
        after = (page[-1].cdr.end_date_time, page[-1].key)
        if received := await to_check(reader, page):
            yield await _check_page(services.database, received, chosen, is_kept=is_kept)


async def check_keys(
    services: Services,
    keys: Sequence[str],
    *,
    rules: Callable[[str], CheckRules] | None = None,
    is_kept: bool = True,
) -> list[Checked]:
    """Checks these CDRs; those that are not ``to_check`` and unknown ones are passed over. ``rules`` and ``is_kept``
    as in ``check_received``. Raises ``StoreUnavailable``."""
    found = await with_ids(services.database.reader, keys)
    return await check_entries(services, found.values(), rules=rules, is_kept=is_kept)


async def check_entries(
    services: Services,
    entries: Iterable[Ended],
    *,
    rules: Callable[[str], CheckRules] | None = None,
    is_kept: bool = True,
) -> list[Checked]:
    """The same of CDRs that are at hand."""
    reader = services.database.reader
    stored = await repository.rules_of(reader)
    found = await to_check(reader, entries)
    if not found:
        return []
    chosen = rules or (lambda partner: repository.rules_for(stored, partner))
    return await _check_page(services.database, found, chosen, is_kept=is_kept)


async def to_check(reader: Reader, entries: Iterable[Ended]) -> list[Ended]:
    """Those that a partner gave us, and those of hosted CPOs that a hosted eMSP is to pay: nobody else looks at them.
    Raises ``StoreUnavailable``."""
    hosted = await _hosted_emsps(reader)
    return [entry for entry in entries if entry.source or emsp_of(entry.cdr) in hosted]


async def _check_page(
    database: Database, entries: Sequence[Ended], rules: Callable[[str], CheckRules], *, is_kept: bool
) -> list[Checked]:
    known = await gather(database.reader, entries, now=database.clock.now())
    strict = await with_agreed_currencies(database.reader, rules)
    checked = [Checked(entry=entry, verdict=judge(entry, known[entry.key], strict(entry))) for entry in entries]
    if is_kept:
        async with database.work() as work:
            before = await repository.outcomes_of(work, [each.entry.key for each in checked])
            await repository.keep_verdicts(
                work, [(each.entry.key, each.entry.source, each.cpo, each.emsp, each.verdict) for each in checked]
            )
            for each in checked:
                if each.verdict.outcome is Outcome.ACCEPT and before.get(each.entry.key) != Outcome.ACCEPT:
                    await _taken(work, each.entry)
    return checked


async def accept(work: Work, entry: Ended, note: str) -> None:
    """A person takes a CDR that was checked as it is; a later check does not change that. One that was not checked
    changes nothing."""
    before = (await repository.outcomes_of(work, [entry.key])).get(entry.key)
    if await repository.decide(work, entry.key, Outcome.ACCEPT.value, note) and before != Outcome.ACCEPT:
        await _taken(work, entry, is_by_hand=True, note=note)


async def _taken(work: Work, entry: Ended, *, is_by_hand: bool = False, note: str = "") -> None:
    is_ours = not entry.source
    if not entry.cdr.credit:
        await announcing.accepted(work, entry.key, entry.cdr, is_ours=is_ours, is_by_hand=is_by_hand, note=note)
    elif not is_ours:  # of ours it was told when they were issued
        await announcing.credited(work, entry.cdr)


async def with_agreed_currencies(reader: Reader, rules: Callable[[str], CheckRules]) -> Callable[[Ended], CheckRules]:
    """The rules for a CDR: those of its partner, with the currencies that its parties agreed on where no rule names
    any. Raises ``StoreUnavailable``."""
    terms = await terms_of(reader)

    def chosen(entry: Ended) -> CheckRules:
        mine, agreed = rules(entry.source), terms.get(_pair(entry.cdr))
        if mine.currencies or agreed is None:
            return mine
        return msgspec.structs.replace(mine, currencies=agreed.at(month_of(entry.cdr.end_date_time)).currencies)

    return chosen


def judge(entry: Ended, known: Known, rules: CheckRules) -> Verdict:
    """``check``, or that it failed: one CDR that nobody foresaw must not keep the others from being checked."""
    try:
        return check(entry.cdr, known, rules)
    except Exception as error:
        logger.exception("cdr_check_failed", cdr=entry.key)
        text = f"could not be checked ({type(error).__name__}): look at it by hand"
        finding = Finding(kind=Kind.PERIODS, field="charging_periods", text=text)
        return Verdict(
            outcome=Outcome.HOLD, findings=(finding,), at_stake=finding.at_stake, currency=entry.cdr.currency
        )


async def gather(reader: Reader, entries: Sequence[Ended], *, now: datetime) -> dict[str, Known]:
    """What is known beside each of ``entries``, by key; a few statements for all. Sessions and tokens are expected of
    hosted eMSPs only. Raises ``StoreUnavailable``."""
    locations = await read_objects(reader, "locations", {_place_key(each.cdr) for each in entries}, Location)
    sessions = await read_objects(
        reader, "sessions", {key for each in entries if (key := _session_key(each.cdr))}, Session
    )
    tariff_keys = {each.key: _tariff_key(each.cdr, locations.get(_place_key(each.cdr))) for each in entries}
    offered_keys = {each.key: _offered_keys(each.cdr, locations.get(_place_key(each.cdr))) for each in entries}
    tariffs = await read_objects(
        reader, "tariffs", {key for key in (*tariff_keys.values(), *chain(*offered_keys.values())) if key}, Tariff
    )
    preferred = await _preferred(reader, entries)
    tokens = await _tokens(reader, entries)
    hosted = await _hosted_emsps(reader)
    credited = await with_ids(reader, {key for each in entries if (key := _credited_key(each.cdr))})
    siblings = await _siblings(reader, entries)
    agreed = await agreed_readings(reader)
    found: dict[str, Known] = {}
    for each in entries:
        original = credited.get(_credited_key(each.cdr))
        found[each.key] = Known(
            key=each.key,
            received_at=each.received_at,
            now=now,
            session=sessions.get(_session_key(each.cdr)),
            tariff=tariffs.get(tariff_keys[each.key]),
            offered=tuple(tariffs[key] for key in offered_keys[each.key] if key in tariffs),
            preferred=preferred.get(_session_key(each.cdr), ()),
            location=locations.get(_place_key(each.cdr)),
            token=_token_of(each.cdr, tokens),
            siblings=siblings.get(each.key, ()),
            readings=Readings.of_version(each.origin_version).choosing(agreed.get(_pair(each.cdr), {})),
            credited=original.cdr if original is not None else None,
            is_session_expected=emsp_of(each.cdr) in hosted,
        )
    return found


def _pair(cdr: CDR) -> tuple[str, str]:
    return str(cpo_of(cdr)), str(PartyId.of(cdr.cdr_token.country_code, cdr.cdr_token.party_id))


def _place_key(cdr: CDR) -> str:
    return object_key(cpo_of(cdr), cdr.cdr_location.id)


def _session_key(cdr: CDR) -> str:
    return object_key(cpo_of(cdr), cdr.session_id) if cdr.session_id else ""


def _credited_key(cdr: CDR) -> str:
    return object_key(cpo_of(cdr), cdr.credit_reference_id) if cdr.credit and cdr.credit_reference_id else ""


def _tariff_key(cdr: CDR, location: Location | None) -> str:
    """Of the tariff that the periods name, that the CDR quotes, or that the connector offers."""
    for period in cdr.charging_periods:
        if period.tariff_id is not None:
            return object_key(cpo_of(cdr), period.tariff_id)
    if cdr.tariffs:
        return object_key(cpo_of(cdr), cdr.tariffs[0].id)
    offered = _offered_keys(cdr, location)
    return offered[0] if len(offered) == 1 else ""


def _offered_keys(cdr: CDR, location: Location | None) -> list[str]:
    """Of the tariffs that its connector offers, as far as we were told."""
    place = cdr.cdr_location
    for evse in location.evses if location is not None else ():
        for connector in evse.connectors:
            if (fold(evse.uid), fold(connector.id)) == (fold(place.evse_uid), fold(place.connector_id)):
                return [object_key(cpo_of(cdr), id) for id in connector.tariff_ids]
    return []


async def _preferred(reader: Reader, entries: Sequence[Ended]) -> dict[str, tuple[Preferred, ...]]:
    """Profiles that drivers' accepted preferences named, by session key."""
    sql = "SELECT session_key, profiles FROM charging_preferences WHERE session_key IN"
    keys = {key for each in entries if (key := _session_key(each.cdr))}
    return {row[0]: preferred_in(row[1]) for row in await fetch_of(reader, sql, keys)}


Owner = tuple[str, str, str]
"""Folded uid and the party of a token."""


def _token_owner(cdr: CDR) -> Owner:
    return (fold(cdr.cdr_token.uid), *emsp_of(cdr))


async def _tokens(reader: Reader, entries: Sequence[Ended]) -> dict[Owner, dict[str, TokenKnown]]:
    """By type: one uid may be two tokens."""
    rows = await fetch_of(
        reader,
        "SELECT uid_folded, country_code, party_id, type, contract_id, is_valid, default_profile_type"
        " FROM driver_tokens WHERE uid_folded IN",
        {fold(each.cdr.cdr_token.uid) for each in entries},
    )
    found: dict[Owner, dict[str, TokenKnown]] = {}
    for uid, country_code, party_id, kind, contract_id, is_valid, profile in rows:
        found.setdefault((uid, country_code, party_id), {})[kind] = TokenKnown(contract_id, bool(is_valid), profile)
    return found


def _token_of(cdr: CDR, tokens: dict[Owner, dict[str, TokenKnown]]) -> TokenKnown | None:
    """That of the CDR's type; in 2.1.1, which tells none, whichever there is."""
    mine = tokens.get(_token_owner(cdr), {})
    return mine.get(cdr.cdr_token.type) or next(iter(mine.values()), None)


async def _hosted_emsps(reader: Reader) -> set[PartyId]:
    rows = await reader.fetch("SELECT country_code, party_id FROM parties WHERE role = $1", Role.EMSP.value)
    return {PartyId(row[0], row[1]) for row in rows}


async def _siblings(reader: Reader, entries: Sequence[Ended]) -> dict[str, tuple[Sibling, ...]]:
    """CDRs that may exclude each of ``entries``, by key: found by its token, its EVSE and its session, of a credit
    those that take back the same."""
    wanted: dict[str, list[tuple[str, Lookup]]] = {}
    for each in entries:
        columns = {"credited_key": _credited_key(each.cdr)} if each.cdr.credit else alike_keys(each.cdr)
        for column, value in columns.items():
            if value:
                since, until = EVER if column in _OF_ANY_TIME else _span(each.cdr)
                wanted.setdefault(column, []).append((each.key, Lookup(value, since, until)))
    alike: dict[str, dict[str, None]] = {each.key: {} for each in entries}
    for column, lookups in wanted.items():
        found = await keys_alike(reader, column, [lookup for _, lookup in lookups], most=MOST_ALIKE)
        for (key, _), keys in zip(lookups, found, strict=True):
            alike[key].update(dict.fromkeys(keys))
    every = list(dict.fromkeys(key for keys in alike.values() for key in keys))
    others: dict[str, Ended] = {}
    for start in range(0, len(every), READ_AT_ONCE):
        others |= await with_ids(reader, every[start : start + READ_AT_ONCE])
        await asyncio.sleep(0)  # whatever else this process does gets its turn
    taken_back = await credits_of(reader, every)
    siblings = {key: Sibling(key, other.cdr, key in taken_back) for key, other in others.items()}
    return {key: tuple(siblings[other] for other in keys if other in siblings) for key, keys in alike.items()}


def _span(cdr: CDR) -> tuple[datetime, datetime]:
    """When charges ended that began before this one and overlap it; dates that nobody means make it no longer."""
    since = min(cdr.start_date_time, cdr.end_date_time)
    length = min(cdr.end_date_time - since, LONGEST) + AROUND
    return since, since + min(length, EVER[1] - since)
