"""A month of charges at two CPOs by drivers of two eMSPs, in four currencies, and what the CPOs' billing got wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.location import EVSE, Connector, Location
from roaming.model.money import Price, TaxAmount
from roaming.model.place import GeoLocation
from roaming.model.session import CdrDimension, ChargingPeriod, Session
from roaming.model.tariff import Tariff
from roaming.model.token import CdrToken
from roaming.modules.cdrs import repository as cdrs
from roaming.modules.cdrs.issuing import issue
from roaming.modules.cdrs.service import outgoing_of
from roaming.modules.locations import repository as locations
from roaming.modules.sessions import repository as sessions
from roaming.modules.tariffs import repository as tariffs
from roaming.ocpi.outgoing import tell
from roaming.rating import rate
from roaming.store.database import Work
from tests.roaming.billing.charges import TariffElement as Element
from tests.roaming.billing.charges import a_tariff, component, period
from tests.roaming.rating.test_signed_data import reading, record, signed

changed = msgspec.structs.replace
CPOS = ("NL-ONE", "SE-TWO")
EMSPS = ("DE-EEE", "GB-FFF")
CURRENCIES = ("EUR", "SEK", "GBP", "CHF")
ZONE = "Europe/Amsterdam"
LONG_AGO = timedelta(days=200)
HOUR = timedelta(hours=1)
REPLACE, CREDIT, ACCEPT, OPEN = "replace", "credit", "accept", "open"
"""What comes of a fault: the CDR is issued anew; taken back; accepted by a person; or the dispute stays open."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which billing goes wrong."""

    kinds: frozenset[str]
    """The findings that it must lead to, others may come with it."""
    spoil: Callable[["Charge"], CDR]
    end: str
    reading: str = ""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One charge. ``started``: UTC."""

    number: int
    cpo: str
    emsp: str
    currency: str
    started: datetime
    tariff: Tariff
    location: Location
    fault: str = ""
    card: int = 0

    @property
    def token(self) -> CdrToken:
        emsp = PartyId.parse(self.emsp)
        return CdrToken(
            country_code=emsp.country_code,
            party_id=emsp.party_id,
            uid=f"CARD{self.card}",
            type="RFID",
            contract_id=f"{emsp}-C{self.card:08d}",
        )

    @property
    def session(self) -> Session:
        cpo = PartyId.parse(self.cpo)
        shift = self.started - period(0).start_date_time
        periods = (period(0, "5.4", "0.5"), period(30, "9.3", "1"), period(90, parking="0.5"))
        ended = self.started + timedelta(hours=2)
        return Session(
            country_code=cpo.country_code,
            party_id=cpo.party_id,
            id=f"S{self.number}",
            start_date_time=self.started,
            end_date_time=ended,
            kwh=Decimal("14.7"),
            cdr_token=self.token,
            auth_method="WHITELIST",
            location_id=self.location.id,
            evse_uid=f"E{self.number}",
            connector_id="1",
            currency=self.currency,
            charging_periods=tuple(changed(each, start_date_time=each.start_date_time + shift) for each in periods),
            status="COMPLETED",
            last_updated=ended,
        )

    @property
    def right(self) -> CDR:
        """As our engine bills it."""
        return issue(self.session, self.location, [self.tariff], now=self.started + timedelta(hours=2))

    @property
    def planted(self) -> CDR:
        """As it went out."""
        return FAULTS[self.fault].spoil(self) if self.fault else self.right


def tariff_of(cpo: str, currency: str) -> Tariff:
    party = PartyId.parse(cpo)
    own = {"country_code": party.country_code, "party_id": party.party_id, "id": f"T-{currency}", "currency": currency}
    return a_tariff(**own, last_updated=datetime.now(UTC) - LONG_AGO)


def location_of(cpo: str, currency: str, evses: int) -> Location:
    party, long_ago = PartyId.parse(cpo), datetime.now(UTC) - LONG_AGO
    connector = Connector(
        id="1",
        standard="IEC_62196_T2",
        format="SOCKET",
        power_type="AC_3_PHASE",
        max_voltage=230,
        max_amperage=32,
        last_updated=long_ago,
    )
    return Location(
        country_code=party.country_code,
        party_id=party.party_id,
        id=f"L-{currency}",
        publish=True,
        address="Quay 1",
        city="Delft",
        country="NLD",
        coordinates=GeoLocation(latitude="52.000000", longitude="4.360000"),
        time_zone=ZONE,
        evses=tuple(
            EVSE(uid=f"E{number}", status="AVAILABLE", connectors=(connector,), last_updated=long_ago)
            for number in range(evses)
        ),
        last_updated=long_ago,
    )


def spoilt(**values: Any) -> Callable[[Charge], CDR]:
    return lambda charge: changed(charge.right, **values)


def _cost(charge: Charge, net: Decimal) -> Price:
    return Price(
        before_taxes=net,
        taxes=(TaxAmount(name="VAT", amount=(net / 5).quantize(Decimal("0.0001")), percentage=Decimal(20)),),
    )


def _dearer(by: str) -> Callable[[Charge], CDR]:
    return lambda charge: changed(
        charge.right, total_cost=_cost(charge, charge.right.total_cost.before_taxes + Decimal(by))
    )


def _in_utc(charge: Charge) -> CDR:
    cdr = charge.right
    rated = rate(charge.tariff, cdr.charging_periods, start=cdr.start_date_time, end=cdr.end_date_time, time_zone="UTC")
    return changed(cdr, total_cost=rated.total, total_energy_cost=rated.energy)


def _by_another_tariff(charge: Charge) -> CDR:
    dear = changed(charge.tariff, elements=(Element(price_components=(component("ENERGY", "0.90"),)),))
    return issue(charge.session, charge.location, [dear], now=charge.started + timedelta(hours=2))


def _as_fast(charge: Charge) -> CDR:
    return changed(charge.right, tariffs=(changed(charge.tariff, type="PROFILE_FAST"),))


def _of_session(**values: Any) -> Callable[[Charge], CDR]:
    """Billed from a session that is not as it was."""
    return lambda charge: issue(
        changed(charge.session, **values), charge.location, [charge.tariff], now=charge.started + timedelta(hours=2)
    )


def _with_energy(kwh: str) -> Callable[[Charge], CDR]:
    def spoil(charge: Charge) -> CDR:
        first = charge.session.charging_periods[0]
        energy = CdrDimension(type="ENERGY", volume=Decimal(kwh) - Decimal("9.3"))
        periods = (
            ChargingPeriod(start_date_time=first.start_date_time, dimensions=(energy, first.dimensions[1])),
            *charge.session.charging_periods[1:],
        )
        return _of_session(kwh=Decimal(kwh), charging_periods=periods)(charge)

    return spoil


def _ended_after(**length: float) -> Callable[[Charge], CDR]:
    return lambda charge: changed(charge.right, end_date_time=charge.started + timedelta(**length))


def _token(**values: Any) -> Callable[[Charge], CDR]:
    return lambda charge: changed(charge.right, cdr_token=changed(charge.token, **values))


def _elsewhere(charge: Charge) -> CDR:
    return changed(charge.right, cdr_location=changed(charge.right.cdr_location, evse_uid="E-OLD"))


def _second(charge: Charge) -> CDR:
    return changed(charge.right, id=f"TWICE-{charge.number}", last_updated=charge.started + timedelta(hours=5))


def _credit_of_nothing(charge: Charge) -> CDR:
    right = charge.right
    return changed(
        right,
        id=f"ODD-{charge.number}",
        credit=True,
        credit_reference_id="GONE",
        total_cost=_cost(charge, -right.total_cost.before_taxes),
    )


def _signed(begin: str, end: str, *, key: str | None = "", is_forged: bool = False) -> Callable[[Charge], CDR]:
    """With what its meter signed in kWh; an empty ``key`` is the right one."""
    records = [record(reading("B", begin)), record(reading("E", end))]
    if is_forged:
        records[1] = records[1].replace(end, f"{end}5")
    return lambda charge: changed(charge.right, signed_data=signed(*records, key=key))


def _fault(kinds: str, spoil: Callable[[Charge], CDR], end: str = REPLACE, reading: str = "") -> Fault:
    return Fault(kinds=frozenset(kinds.split()), spoil=spoil, end=end, reading=reading)


FAULTS: Mapping[str, Fault] = {
    "too dear": _fault("PRICE", _dearer("3.21")),
    "flat twice": _fault("PRICE", _dearer("1.00"), reading="FLAT charged twice"),
    # 5.4 and 9.3 kWh to 6 and 10, where the sum of 14.7 goes to 15
    "step per period": _fault("PRICE", _dearer("0.4255"), reading="step_size in every period"),
    "wrong zone": _fault("PRICE", _in_utc, reading="wrong time zone: UTC"),
    "volumes": _fault("VOLUMES", spoilt(total_energy=Decimal("14.9"))),
    "parts": _fault("SUM", _dearer("-5")),
    "periods": _fault(
        "PERIODS", lambda charge: changed(charge.right, charging_periods=charge.right.charging_periods[::-1])
    ),
    "another tariff": _fault("TARIFF", _by_another_tariff),
    "tariff missing": _fault("TARIFF_MISSING", lambda charge: changed(_dearer("9")(charge), tariffs=())),
    "currency": _fault("CURRENCY", spoilt(currency="USD")),
    "energy": _fault("SESSION", _with_energy("20.7")),
    "token": _fault("TOKEN SESSION", _token(uid="STRANGER")),
    "contract": _fault("CONTRACT", _token(contract_id="DE-EEE-C99999999")),
    "place": _fault("LOCATION SESSION", _elsewhere),
    "power": _fault("POWER SESSION", _with_energy("90")),
    "duration": _fault("DURATION", _ended_after(days=2, hours=1)),
    "battery": _fault("ENERGY", _with_energy("400")),
    "future": _fault("FUTURE", _ended_after(days=100)),
    "twice": _fault("DUPLICATE", _second, CREDIT),
    "overlap": _fault("OVERLAP", _of_session(), OPEN),
    "token blocked": _fault("TOKEN_INVALID", _of_session(), ACCEPT),
    "session missing": _fault("SESSION_MISSING", _of_session(), ACCEPT),
    "forged": _fault("SIGNATURE", _signed("100.0", "114.7", is_forged=True)),
    "signed less": _fault("SIGNED_ENERGY", _signed("100.0", "114.2")),
    "signed by nobody knows whom": _fault("SIGNATURE_UNKNOWN", _signed("100.0", "114.7", key=None), ACCEPT),
    "late": _fault("LATE", _of_session(), ACCEPT),
    "credit of nothing": _fault("CREDIT", _credit_of_nothing, ACCEPT),
    "another profile": _fault("PROFILE", _as_fast),
    "a profile that nobody chose": _fault("PROFILE_UNKNOWN", _as_fast, ACCEPT),
}


def evening(day: datetime) -> datetime:
    """19:30 of a day at the locations, as UTC: prices change at 20:00."""
    return day.replace(hour=19, minute=30, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def month_of_charges(first: datetime) -> list[Charge]:
    """Of the month that begins at ``first``: for each pair two right ones, then the faults in turn over pairs and
    currencies. All on days from the 15th to the 25th, but the one that comes late."""
    pairs = [(cpo, emsp) for cpo in CPOS for emsp in EMSPS]
    wanted = [*[""] * (2 * len(pairs)), *FAULTS]
    places = {(cpo, code): location_of(cpo, code, len(wanted)) for cpo in CPOS for code in CURRENCIES}
    found: list[Charge] = []
    for number, fault in enumerate(wanted):
        cpo, emsp = pairs[number % len(pairs)]
        currency = CURRENCIES[(number // len(pairs) + number) % len(CURRENCIES)]
        started = evening(first.replace(day=1 if fault == "late" else 15 + number % 11))
        made = Charge(
            number=number,
            cpo=cpo,
            emsp=emsp,
            currency=currency,
            started=started,
            tariff=tariff_of(cpo, currency),
            location=places[cpo, currency],
            fault=fault,
            card=number,
        )
        if fault == "overlap":
            # The first card of all, at another place an hour after it began to charge
            made = replace(made, cpo=found[0].cpo, emsp=found[0].emsp, card=0, started=found[0].started + HOUR)
            made = replace(made, tariff=tariff_of(made.cpo, currency), location=places[made.cpo, currency])
        found.append(made)
    return found


async def plant_surroundings(work: Work, charges: list[Charge]) -> None:
    """What the CPOs' hub knew: places, tariffs, sessions with what was frozen at their start."""
    for place in {charge.location.id + charge.cpo: charge.location for charge in charges}.values():
        await locations.insert(work.connection, place, source="", now=work.now)
    for tariff in {charge.tariff.id + charge.cpo: charge.tariff for charge in charges}.values():
        await tariffs.save(work.connection, None, tariff, source="", now=work.now)
    for charge in charges:
        if charge.fault == "session missing":
            continue
        session = changed(charge.session, last_updated=work.now)
        await sessions.save(work.connection, None, session, source="", now=work.now)
        key = sessions.key_of(PartyId.parse(charge.cpo), session.id)
        await sessions.keep_snapshot(work.connection, key, "tariff", charge.tariff)
        await sessions.keep_snapshot(work.connection, key, "location", charge.location)


async def send_cdrs(work: Work, charges: list[Charge]) -> None:
    """What went out; with a second and an odd one goes the right one too."""
    for charge in charges:
        issued = [charge.planted] if charge.planted.id == charge.right.id else [charge.right, charge.planted]
        for cdr in issued:
            cdr = changed(cdr, last_updated=work.now)
            owner = PartyId.parse(charge.cpo)
            assert await cdrs.insert(work.connection, cdr, source="", now=work.now), cdr.id
            key = cdrs.key_of(owner, cdr.id)
            await tell(work, [outgoing_of(cdr, key, cdrs.key_of(owner, f"S{charge.number}"), "")])
