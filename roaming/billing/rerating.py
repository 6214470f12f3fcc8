"""Prices stored CDRs again: by their own tariffs, another version of one, or under other readings. Nothing is changed.

A month is cut into slices by time, each of which is priced by itself, in any process. Tariffs are compiled once and
kept; of a document only what pricing needs is read.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec

from roaming.model.identifiers import PartyId
from roaming.model.location import Location
from roaming.model.tariff import Tariff
from roaming.partners.agreed_readings import agreed_readings
from roaming.rating import RatingError, Readings
from roaming.rating.exact import EXACT
from roaming.rating.net import NetPricer, Period
from roaming.rating.price_list import price_lists
from roaming.store.columns import text_to_time
from roaming.store.documents import object_key, read_objects
from roaming.store.reader import Reader

PAGE: Final = 1_000
SLICES: Final = 120
"""Of a month: six hours each."""
MOST_TARIFFS: Final = 5_000
"""Compiled and kept in a process."""
MOST_EXAMPLES: Final = 20
_SQL: Final = (
    "SELECT key, origin_version, ended_at, document FROM cdrs WHERE (ended_at, key) > ($1, $2) AND ended_at < $3"
    " ORDER BY ended_at, key LIMIT $4"
)
"""One lower bound: of two, SQLite would begin each page at the earlier one."""


class _Token(msgspec.Struct, gc=False):
    country_code: str
    party_id: str


class _Place(msgspec.Struct, gc=False):
    id: str


class _Cost(msgspec.Struct, gc=False):
    before_taxes: Decimal


class _Stored(msgspec.Struct, gc=False):
    """What pricing needs of a CDR's document. Not looked at by the collector of garbage, which would take as long as
    the reading: nothing of it refers to itself."""

    country_code: str
    party_id: str
    id: str
    start_date_time: datetime
    end_date_time: datetime
    currency: str
    charging_periods: list[Period]
    total_cost: _Cost
    cdr_token: _Token
    cdr_location: _Place
    tariffs: msgspec.Raw = msgspec.Raw(b"[]")
    credit: bool | None = None


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    since: datetime
    until: datetime
    tariff: Tariff | None = None
    """In place of CDRs' own tariff of the same owner and id; of any, where it has no owner."""
    readings: Mapping[str, Any] = {}
    """Over those of the agreements."""


class Group(msgspec.Struct):
    """CDRs between two parties in one currency."""

    cdrs: int = 0
    changed: int = 0
    unpriced: int = 0
    """They hold no tariff, or cannot be priced."""
    stated: Decimal = Decimal(0)
    """Sum before taxes as the CDRs say; of those that could be priced."""
    rerated: Decimal = Decimal(0)

    def add(self, other: "Group") -> None:
        """Takes in another part of the same."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Outcome(msgspec.Struct):
    """Of a slice, or of many."""

    groups: dict[str, Group] = {}
    """By ``CPO eMSP currency``."""
    examples: list[tuple[str, str]] = []
    """Owner and id (``NL/TNM/C1``) of the first CDRs that changed or could not be priced, with what happened."""

    @property
    def cdrs(self) -> int:
        """How many were looked at."""
        return sum(group.cdrs for group in self.groups.values())

    def add(self, other: "Outcome") -> None:
        """Takes in another slice."""
        for name, group in other.groups.items():
            self.groups.setdefault(name, Group()).add(group)
        self.examples = [*self.examples, *other.examples][:MOST_EXAMPLES]


class Slice(NamedTuple):
    """From and before when charges ended."""

    since: datetime
    until: datetime


def slices_of(wishes: Wishes) -> list[Slice]:
    """The month in parts of equal length."""
    width = (wishes.until - wishes.since) / SLICES
    edges = [wishes.since + width * number for number in range(SLICES)] + [wishes.until]
    return [Slice(one, other) for one, other in pairwise(edges)]


Mark = tuple[datetime, str]
"""End and key of a CDR: the next page begins behind it."""


class _Between:
    """Who has to do with whom: under which name they are summed up, and how they read tariffs. One for each two
    parties and version, told apart by identity: that is looked at for every CDR."""

    def __init__(self, name: str, readings: Readings) -> None:
        self.name = name
        self.readings = readings


class Rerater:
    """Prices slices; keeps compiled tariffs and zones from one to the next. One per process."""

    def __init__(self, reader: Reader, wishes: Wishes) -> None:
        self._reader, self._wishes = reader, wishes
        self._decoder = msgspec.json.Decoder(_Stored, float_hook=Decimal)
        self._tariffs = msgspec.json.Decoder(tuple[Tariff, ...], float_hook=Decimal)
        self._zones: dict[tuple[str, str, str], str] = {}
        self._agreed: dict[tuple[str, str], Mapping[str, Any]] | None = None
        self._compiled = lru_cache(MOST_TARIFFS)(self._compile)
        self._between = lru_cache(MOST_TARIFFS)(self._find_between)

    async def slice(self, part: Slice) -> Outcome:
        """Every CDR of charges that ended in it. Raises ``StoreUnavailable``."""
        outcome = Outcome()
        after: Mark | None = (part.since, "")
        while after is not None:
            page, after = await self.page(after, part.until)
            outcome.add(page)
        return outcome

    async def page(self, after: Mark, until: datetime, *, limit: int = PAGE) -> tuple[Outcome, Mark | None]:
        """The first CDRs behind ``after`` of charges that ended before ``until``, and behind which one to go on;
        ``None``: there are no more. Reckoned off the loop. Raises ``StoreUnavailable``."""
        if self._agreed is None:
            self._agreed = await agreed_readings(self._reader)
        rows = await self._reader.fetch(_SQL, *after, until, limit)
        stored = [(row[1], self._decoder.decode(row[3])) for row in rows]
        await self._find_zones(each for _, each in stored)
        outcome = await asyncio.to_thread(self._all, stored)
        return outcome, (text_to_time(rows[-1][2]), rows[-1][0]) if len(rows) == limit else None

    def _all(self, stored: Sequence[tuple[str, _Stored]]) -> Outcome:
        outcome = Outcome()
        with localcontext(EXACT):
            for version, cdr in stored:
                self._one(outcome, version, cdr)
        return outcome

    def _one(self, outcome: Outcome, version: str, cdr: _Stored) -> None:
        token = cdr.cdr_token
        between = self._between(cdr.country_code, cdr.party_id, token.country_code, token.party_id, version)
        name = f"{between.name} {cdr.currency}"
        group = outcome.groups.get(name)
        if group is None:
            group = outcome.groups[name] = Group()
        group.cdrs += 1
        try:
            price = self._price(between, cdr)
        except RatingError as error:
            price, why = None, str(error)
        else:
            why = "holds no tariff"
        if price is None:
            group.unpriced += 1
            _note(outcome, cdr, why)
            return
        stated = cdr.total_cost.before_taxes
        group.stated += stated
        group.rerated += price
        if price != stated:
            group.changed += 1
            _note(outcome, cdr, f"{stated} is {price}")

    def _price(self, between: _Between, cdr: _Stored) -> Decimal | None:
        prices = self._compiled(bytes(cdr.tariffs), between)
        if prices is None:
            return None
        tariff = prices.prices.tariff
        if tariff.currency != cdr.currency:
            raise RatingError(f"currency: the CDR is in {cdr.currency}, tariff {tariff.id} in another")
        total = prices.rate(
            cdr.charging_periods,
            start=cdr.start_date_time,
            end=cdr.end_date_time,
            time_zone=self._zones[_place(cdr)],
        )
        return -total if cdr.credit else total

    def _compile(self, tariffs: bytes, between: _Between) -> NetPricer | None:
        found, other = self._tariffs.decode(tariffs), self._wishes.tariff
        if other is not None:
            found = tuple(other if _is_same(other, tariff) else tariff for tariff in found) or (other,)
        return NetPricer(price_lists(found, between.readings)) if found else None

    def _find_between(
        self, country_code: str, party_id: str, token_country_code: str, token_party_id: str, version: str
    ) -> _Between:
        cpo, emsp = f"{country_code}-{party_id}", f"{token_country_code}-{token_party_id}"
        agreed = (self._agreed or {}).get((cpo, emsp), {})
        readings = Readings.of_version(version).choosing({**agreed, **self._wishes.readings})
        return _Between(f"{cpo} {emsp}", readings)

    async def _find_zones(self, cdrs: Iterable[_Stored]) -> None:
        places = {_place(cdr) for cdr in cdrs} - self._zones.keys()
        if places:
            key_of = {place: object_key(PartyId.of(*place[:2]), place[2]) for place in places}
            found = await read_objects(self._reader, "locations", key_of.values(), Location)
            self._zones.update(
                {place: found[key].time_zone if key in found else "UTC" for place, key in key_of.items()}
            )


def _note(outcome: Outcome, cdr: _Stored, text: str) -> None:
    if len(outcome.examples) < MOST_EXAMPLES:
        outcome.examples.append((f"{cdr.country_code}/{cdr.party_id}/{cdr.id}", text))


def _place(cdr: _Stored) -> tuple[str, str, str]:
    return cdr.country_code, cdr.party_id, cdr.cdr_location.id


def _is_same(one: Tariff, other: Tariff) -> bool:
    def name(tariff: Tariff) -> Sequence[str]:
        return [text.casefold() for text in (tariff.country_code, tariff.party_id, tariff.id)]

    return name(one)[2] == name(other)[2] and (not one.party_id or name(one) == name(other))
