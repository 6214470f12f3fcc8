"""How the price of a stored CDR comes about: its lines by the tariff and the readings that hold for it, beside what it
says itself."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from roaming.billing.receiving import cpo_of, emsp_of, gather
from roaming.model.cdr import CDR
from roaming.model.tariff import Tariff
from roaming.modules.cdrs.repository import Ended
from roaming.ocpi.module import Services
from roaming.rating import DEFAULT_READINGS, Rated, RatingError, Readings, Row, explain, rate, relevant_tariffs
from roaming.rating.readings import ChosenReadings
from roaming.store.documents import object_key, read_object


class NotExplainable(ValueError):
    """Nothing says how this CDR is to be priced. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A CDR and what its lines come to."""

    cdr: CDR
    rated: Rated
    rows: tuple[Row, ...]

    @property
    def reckoned(self) -> Decimal | None:
        """Before taxes, negative for a credit; ``None``: the tariff does not say."""
        total = self.rows[-1].running_before_taxes if self.rows else Decimal(0)
        return -total if total and self.cdr.credit else total

    @property
    def verdict(self) -> str:
        """Whether the CDR says what its lines come to, in words."""
        billed, reckoned = self.cdr.total_cost.before_taxes, self.reckoned
        if reckoned is None:
            return "the tariff does not say what a line costs"
        if billed == reckoned:
            return "what the lines come to, taken back" if self.cdr.credit else "as the lines above"
        return f"{billed - reckoned:+f} against the lines above: ask {cpo_of(self.cdr)}"


async def explanation_of(services: Services, entry: Ended) -> Explanation:
    """Raises ``NotExplainable`` and ``StoreUnavailable``."""
    cdr, reader = entry.cdr, services.database.reader
    known = (await gather(reader, [entry], now=services.clock.now()))[entry.key]
    tariffs = relevant_tariffs(cdr.tariffs, cdr.charging_periods)
    if not tariffs and entry.source and known.tariff is not None:
        tariffs = (known.tariff,)
    if not tariffs:
        raise NotExplainable(f"CDR {cdr.id} holds no tariff: {cdr.remark or 'its owner priced it'}")
    readings = known.readings if entry.source else await _of_start(services, cdr)
    # Not here: a hundred thousand periods would hold up all that this process serves
    return await asyncio.to_thread(_reckoned, cdr, tariffs, known.time_zone, readings)


def _reckoned(cdr: CDR, tariffs: tuple[Tariff, ...], time_zone: str, readings: Readings) -> Explanation:
    try:
        rated = rate(
            tariffs,
            cdr.charging_periods,
            start=cdr.start_date_time,
            end=cdr.end_date_time,
            time_zone=time_zone,
            readings=readings,
        )
    except RatingError as error:
        raise NotExplainable(f"CDR {cdr.id} cannot be reckoned: {error}") from error
    return Explanation(cdr=cdr, rated=rated, rows=explain(rated))


async def _of_start(services: Services, cdr: CDR) -> Readings:
    """Those that a charge here began under, or those of the agreement."""
    async with services.database.reading() as connection:
        if cdr.session_id is not None:
            started = f"{object_key(cpo_of(cdr), cdr.session_id)}#"
            chosen = await read_object(connection, "session_snapshots", f"{started}readings", ChosenReadings)
            if chosen is not None:
                return chosen.readings
            if await read_object(connection, "session_snapshots", f"{started}tariff", Tariff) is not None:
                return DEFAULT_READINGS
    directory = await services.directory.current()
    return DEFAULT_READINGS.choosing(directory.readings_between(cpo=cpo_of(cdr), emsp=emsp_of(cdr)))
