"""Whether a CDR tells of a charge that can have been: session, driver, place, power, times, and no other CDR beside it.
Pure."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from roaming.billing.checks.amounts import ZERO, shown
from roaming.billing.checks.finding import Finding, Kind
from roaming.billing.checks.known import Known, Sibling
from roaming.billing.checks.prices import per_kwh
from roaming.billing.checks.rules import CheckRules
from roaming.model.cdr import CDR
from roaming.model.identifiers import fold
from roaming.model.location import Connector, Location
from roaming.model.session import CdrDimensionType, SessionStatus

NOT_APPLICABLE = "#NA"
CLOCK_SKEW = timedelta(minutes=5)
HOUR = Decimal(3600)
THREE_PHASES = "AC_3_PHASE"
TWO_PHASES = frozenset({"AC_2_PHASE", "AC_2_PHASE_SPLIT"})


def check_charge(cdr: CDR, known: Known, rules: CheckRules) -> Iterator[Finding]:
    """Findings about everything but amounts."""
    yield from _periods(cdr)
    yield from _times(cdr, known, rules)
    yield from _session(cdr, known, rules)
    yield from _token(cdr, known)
    yield from _place(cdr, known)
    yield from _power(cdr, known, rules)
    yield from _others(cdr, known, rules)


def _whole(cdr: CDR) -> Decimal:
    return abs(cdr.total_cost.before_taxes)


def _hours(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(milliseconds=1)) / 1000 / HOUR


def _periods(cdr: CDR) -> Iterator[Finding]:
    starts = [period.start_date_time for period in cdr.charging_periods]
    if starts != sorted(starts):
        yield Finding(kind=Kind.PERIODS, field="charging_periods", text="are not in the order of time")
    for index, start in enumerate(starts):
        if not cdr.start_date_time - timedelta(seconds=1) <= start <= cdr.end_date_time:
            text = f"number {index + 1} begins at {start:%Y-%m-%d %H:%M:%S} UTC, outside the session"
            yield Finding(kind=Kind.PERIODS, field="charging_periods", text=text)
            break
    for index, period in enumerate(cdr.charging_periods):
        for entry in period.dimensions:
            if entry.volume < 0 and entry.type != CdrDimensionType.CURRENT:
                text = f"number {index + 1} has {shown(entry.volume)} of {entry.type}"
                yield Finding(kind=Kind.PERIODS, field="charging_periods", text=text, at_stake=_whole(cdr))
                return


def _times(cdr: CDR, known: Known, rules: CheckRules) -> Iterator[Finding]:
    hours = _hours(cdr.end_date_time - cdr.start_date_time)
    if hours < 0 or (not hours and cdr.total_energy > 0):
        text = f"ends {shown(-hours * 60)} minutes before it begins" if hours < 0 else "gave energy in no time"
        yield Finding(kind=Kind.DURATION, field="end_date_time", text=text, at_stake=_whole(cdr))
    elif hours > rules.most_hours:
        text = f"lasted {hours:.1f} h; more than {shown(rules.most_hours)} h are looked at"
        yield Finding(kind=Kind.DURATION, field="end_date_time", text=text, at_stake=_whole(cdr))
    if cdr.end_date_time > known.received_at + CLOCK_SKEW:
        text = f"ends at {cdr.end_date_time:%Y-%m-%d %H:%M} UTC, after it came at {known.received_at:%Y-%m-%d %H:%M}"
        yield Finding(kind=Kind.FUTURE, field="end_date_time", text=text, at_stake=_whole(cdr))
    late = known.received_at - cdr.end_date_time
    if late > timedelta(days=float(rules.late_days)):
        text = f"came {late.days} days after the charge ended; agreed are {shown(rules.late_days)}"
        yield Finding(kind=Kind.LATE, field="end_date_time", text=text, at_stake=_whole(cdr))
    if cdr.total_energy < 0 or cdr.total_energy > rules.most_kwh:
        text = f"gave {shown(cdr.total_energy)} kWh; from 0 to {shown(rules.most_kwh)} are believed"
        yield Finding(kind=Kind.ENERGY, field="total_energy", text=text, at_stake=_whole(cdr))


def _session(cdr: CDR, known: Known, rules: CheckRules) -> Iterator[Finding]:
    session = known.session
    if session is None:
        if known.is_session_expected:
            text = f"session {cdr.session_id or 'of it'} was never told to us"
            yield Finding(kind=Kind.SESSION_MISSING, field="session_id", text=text, at_stake=_whole(cdr))
        return
    is_over = session.status == SessionStatus.COMPLETED
    difference = cdr.total_energy - session.kwh
    if abs(difference) > rules.energy_tolerance and (is_over or difference < 0):
        yield Finding(
            kind=Kind.SESSION,
            field="total_energy",
            text=f"says {shown(cdr.total_energy)} kWh, its session {shown(session.kwh)} kWh",
            stated=shown(cdr.total_energy),
            expected=shown(session.kwh),
            at_stake=abs(difference) * per_kwh(cdr),
        )
    ends = [("start_date_time", cdr.start_date_time, session.start_date_time)]
    if is_over and session.end_date_time is not None:
        ends.append(("end_date_time", cdr.end_date_time, session.end_date_time))
    for field, stated, expected in ends:
        if abs(stated - expected) > timedelta(seconds=rules.time_tolerance):
            text = f"is {stated:%Y-%m-%d %H:%M:%S} UTC, in its session {expected:%Y-%m-%d %H:%M:%S}"
            yield Finding(kind=Kind.SESSION, field=field, text=text, stated=str(stated), expected=str(expected))
    place, token = cdr.cdr_location, cdr.cdr_token
    same = (
        ("cdr_token.uid", token.uid, session.cdr_token.uid, True),
        ("cdr_location.id", place.id, session.location_id, False),
        ("cdr_location.evse_uid", place.evse_uid, session.evse_uid, False),
    )
    for field, stated_id, expected_id, is_secret in same:
        if fold(stated_id) != fold(expected_id) and NOT_APPLICABLE not in (stated_id, expected_id):
            text = "is another than in its session"
            text = text if is_secret else f"is {stated_id}, in its session {expected_id}"
            yield Finding(kind=Kind.SESSION, field=field, text=text, at_stake=_whole(cdr))


def _token(cdr: CDR, known: Known) -> Iterator[Finding]:
    if not known.is_session_expected:
        return
    token = cdr.cdr_token
    emsp = f"{token.country_code}-{token.party_id}"
    if known.token is None:
        text = f"{emsp} has no token of this uid and type {token.type}"
        yield Finding(kind=Kind.TOKEN, field="cdr_token.uid", text=text, at_stake=_whole(cdr))
        return
    if not known.token.is_valid:
        text = f"the token of {emsp} is not valid now: look whether it was when the session began"
        yield Finding(kind=Kind.TOKEN_INVALID, field="cdr_token.uid", text=text, at_stake=_whole(cdr))
    if fold(known.token.contract_id) != fold(token.contract_id):
        text = f"is {token.contract_id}; the token belongs to {known.token.contract_id}"
        yield Finding(
            kind=Kind.CONTRACT,
            field="cdr_token.contract_id",
            text=text,
            stated=token.contract_id,
            expected=known.token.contract_id,
            at_stake=_whole(cdr),
        )


def _place(cdr: CDR, known: Known) -> Iterator[Finding]:
    place = cdr.cdr_location
    if NOT_APPLICABLE in (place.evse_uid, place.connector_id):
        return
    if known.location is None:
        text = f"location {place.id} was never told to us"
        yield Finding(kind=Kind.LOCATION, field="cdr_location.id", text=text, at_stake=_whole(cdr))
    elif _connector(cdr, known.location) is None:
        text = f"location {place.id} has no EVSE {place.evse_uid} with a connector {place.connector_id}"
        yield Finding(kind=Kind.LOCATION, field="cdr_location.evse_uid", text=text, at_stake=_whole(cdr))


def _connector(cdr: CDR, location: Location) -> Connector | None:
    for evse in location.evses:
        if fold(evse.uid) == fold(cdr.cdr_location.evse_uid):
            for connector in evse.connectors:
                if fold(connector.id) == fold(cdr.cdr_location.connector_id):
                    return connector
    return None


def kilowatts_of(connector: Connector) -> Decimal:
    """The most that a connector gives: what it says, or voltage times current (OCPI 2.3.0 locations, Connector: the
    voltage of AC_3_PHASE is between line and neutral)."""
    phases = 3 if connector.power_type == THREE_PHASES else 2 if connector.power_type in TWO_PHASES else 1
    electric = connector.max_voltage * connector.max_amperage * phases
    return Decimal(connector.max_electric_power or electric) / 1000


def _power(cdr: CDR, known: Known, rules: CheckRules) -> Iterator[Finding]:
    connector = _connector(cdr, known.location) if known.location is not None else None
    hours = _hours(cdr.end_date_time - cdr.start_date_time)
    if connector is None or hours <= 0 or not (kilowatts := kilowatts_of(connector)):
        return
    most = kilowatts * hours * rules.power_margin
    if cdr.total_energy > most:
        excess = cdr.total_energy - kilowatts * hours
        text = (
            f"is {shown(cdr.total_energy)} kWh in {hours:.2f} h; a connector of {shown(kilowatts)} kW gives"
            f" {kilowatts * hours:.1f} kWh"
        )
        yield Finding(kind=Kind.POWER, field="total_energy", text=text, at_stake=excess * per_kwh(cdr))


def _others(cdr: CDR, known: Known, rules: CheckRules) -> Iterator[Finding]:
    """Of two that exclude each other the later one is found."""
    living = [each for each in known.siblings if not each.cdr.credit and not each.is_credited and each.key != known.key]
    for other in living:
        if _is_same_charge(cdr, other.cdr) and _age(other.cdr, other.key) < _age(cdr, known.key):
            text = f"bills the charge that CDR {other.cdr.id} bills already"
            yield Finding(kind=Kind.DUPLICATE, field="session_id", text=text, at_stake=_whole(cdr))
            return
    for other in living:
        if not _is_same_charge(cdr, other.cdr) and (text := _overlap(cdr, other, known, rules)):
            yield Finding(kind=Kind.OVERLAP, field="start_date_time", text=text, at_stake=_whole(cdr))
            return


def _age(cdr: CDR, key: str) -> tuple[object, ...]:
    return cdr.last_updated, key


def _is_same_charge(one: CDR, other: CDR) -> bool:
    if one.session_id and other.session_id and fold(one.session_id) == fold(other.session_id):
        return True
    places = one.cdr_location, other.cdr_location
    return (
        one.start_date_time == other.start_date_time
        and fold(one.cdr_token.uid) == fold(other.cdr_token.uid)
        and fold(places[0].evse_uid) == fold(places[1].evse_uid)
        and one.total_energy == other.total_energy
    )


def _overlap(cdr: CDR, other: Sibling, known: Known, rules: CheckRules) -> str:
    both = min(cdr.end_date_time, other.cdr.end_date_time) - max(cdr.start_date_time, other.cdr.start_date_time)
    is_later = (other.cdr.start_date_time, other.key) < (cdr.start_date_time, known.key)
    if both <= timedelta(seconds=rules.time_tolerance) or not is_later:
        return ""
    mine, theirs = cdr.cdr_location, other.cdr.cdr_location
    minutes = f"{_hours(both) * 60:.0f} minutes"
    is_one_place = (fold(mine.id), fold(mine.evse_uid)) == (fold(theirs.id), fold(theirs.evse_uid))
    if is_one_place and NOT_APPLICABLE not in (mine.evse_uid, theirs.evse_uid):
        return f"{minutes} of it lie in CDR {other.cdr.id} at the same EVSE {mine.evse_uid}"
    if fold(cdr.cdr_token.uid) == fold(other.cdr.cdr_token.uid):
        return f"for {minutes} the same token charged elsewhere too: CDR {other.cdr.id} at EVSE {theirs.evse_uid}"
    return ""


def check_credit(cdr: CDR, known: Known) -> Iterator[Finding]:
    """Findings about a credit CDR (OCPI 2.2.1 mod_cdrs, Credit CDRs)."""
    reference = cdr.credit_reference_id or ""
    original = known.credited
    if original is None:
        text = f"takes back CDR {reference}, which is not here"
        yield Finding(kind=Kind.CREDIT, field="credit_reference_id", text=text, at_stake=_whole(cdr))
        return
    expected = -original.total_cost.before_taxes
    if cdr.total_cost.before_taxes != expected or fold(cdr.currency) != fold(original.currency):
        text = (
            f"is {shown(cdr.total_cost.before_taxes)} {cdr.currency}, the CDR that it takes back"
            f" {shown(original.total_cost.before_taxes)} {original.currency}"
        )
        difference = abs(cdr.total_cost.before_taxes - expected)
        yield Finding(kind=Kind.CREDIT, field="total_cost", text=text, at_stake=difference)
    for other in known.siblings:
        is_second = other.cdr.credit and fold(other.cdr.credit_reference_id or "") == fold(reference)
        is_second = is_second and other.cdr.total_cost.before_taxes == expected  # else it takes nothing back
        if is_second and other.key != known.key and _age(other.cdr, other.key) < _age(cdr, known.key):
            text = f"CDR {reference} was taken back before, by {other.cdr.id}"
            yield Finding(kind=Kind.CREDIT, field="credit_reference_id", text=text, at_stake=ZERO + _whole(cdr))
            return
