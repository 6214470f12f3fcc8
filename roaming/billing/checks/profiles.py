"""Whether a CDR is priced for the profile that its driver chose. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from roaming.billing.checks.finding import Finding, Kind
from roaming.billing.checks.known import Known
from roaming.billing.checks.rules import CheckRules
from roaming.model.cdr import CDR
from roaming.model.identifiers import fold
from roaming.model.session import ChargingPeriod
from roaming.model.tariff import Tariff, TariffType
from roaming.model.token import ProfileType
from roaming.rating import RatingError, named_tariffs, rate, relevant_tariffs
from roaming.rating.readings import ProfileChange

PROFILE_OF: Mapping[str | None, ProfileType] = {
    TariffType.PROFILE_CHEAP: ProfileType.CHEAP,
    TariffType.PROFILE_FAST: ProfileType.FAST,
    TariffType.PROFILE_GREEN: ProfileType.GREEN,
    TariffType.REGULAR: ProfileType.REGULAR,
}
"""Tariffs of other types, or of none, are for whatever profile."""


class Wrong(NamedTuple):
    """A period that names a tariff of another profile than the driver's."""

    period: int
    tariff: Tariff
    profile: str
    """The driver's."""


def check_profiles(cdr: CDR, known: Known, rules: CheckRules) -> Iterator[Finding]:
    """One finding, if any, about all periods whose tariff is for another profile. Nothing where nobody here could know
    what the driver chose."""
    preferred = (each for each in known.preferred if each.at < cdr.end_date_time)
    known = replace(known, preferred=tuple(each for each in preferred if _has_tariff(each.profile_type, cdr, known)))
    if known.token is None and not known.preferred:
        return
    tariffs = relevant_tariffs(cdr.tariffs, cdr.charging_periods) or tuple(filter(None, [known.tariff]))
    tolerance = timedelta(seconds=rules.time_tolerance)
    wrong = _wrong(cdr, known, tariffs, known.readings.profile_change, tolerance)
    if not wrong:
        return
    others = [each for each in ProfileChange if each is not known.readings.profile_change]
    fitting = [each for each in others if known.preferred and not _wrong(cdr, known, tariffs, each, tolerance)]
    reading = f"profile_change={fitting[0]}" if fitting else ""
    is_said = bool(known.preferred) or (known.token is not None and known.token.default_profile_type is not None)
    first = wrong[0]
    text = (
        f"{len(wrong)} of its {len(cdr.charging_periods)} periods are priced by {_shown(wrong)};"
        f" {_chosen(known, first.profile)}"
    )
    yield Finding(
        kind=Kind.PROFILE if is_said else Kind.PROFILE_UNKNOWN,
        field=f"charging_periods[{first.period}].tariff_id",
        text=f"{text}; that fits under the reading: {reading}" if reading else text,
        stated=first.tariff.id,
        expected=first.profile,
        at_stake=_at_stake(cdr, known, tariffs, wrong),
        reading=reading,
    )


def _has_tariff(profile: str, cdr: CDR, known: Known) -> bool:
    """Whether a preference for it can change the price: not where all tariffs there are for others, or its own is in
    another currency (``switching.tariffs_over_time``)."""
    of_kind: dict[str | None, list[Tariff]] = {}
    for tariff in known.offered:
        of_kind.setdefault(PROFILE_OF.get(tariff.type), []).append(tariff)
    own = of_kind.get(profile) or of_kind.get(None) or of_kind.get(ProfileType.REGULAR) or ()
    return not known.offered or any(tariff.currency == cdr.currency for tariff in own)


def _shown(wrong: Sequence[Wrong]) -> str:
    by_id = {each.tariff.id: each.tariff for each in wrong}
    return " and ".join(f"tariff {id}, of type {tariff.type}" for id, tariff in by_id.items())


def _chosen(known: Known, profile: str) -> str:
    for each in known.preferred:
        if each.profile_type == profile:
            return f"the driver's preferences named {profile} at {each.at:%Y-%m-%d %H:%M:%S} UTC"
    default = known.token.default_profile_type if known.token is not None else None
    if default == profile:
        return f"the token's default_profile_type is {profile}"
    if default is None and not known.preferred:
        return "nobody told us of a preference of the driver"
    return f"the driver's profile was {profile}"


def _wrong(
    cdr: CDR, known: Known, tariffs: Sequence[Tariff], change: ProfileChange, tolerance: timedelta
) -> list[Wrong]:
    by_id = {fold(tariff.id): tariff for tariff in tariffs}
    only = tariffs[0] if len(named_tariffs(cdr.charging_periods)) < 2 and tariffs else None
    offered = {tariff.type for tariff in known.offered}
    found = []
    for index, period in enumerate(cdr.charging_periods):
        tariff = only if period.tariff_id is None else by_id.get(fold(period.tariff_id), only)
        profile = PROFILE_OF.get(_type_of(tariff, known)) if tariff is not None else None
        if tariff is None or profile is None:
            continue
        allowed = _allowed(period, known, change, tolerance)
        if profile is ProfileType.REGULAR and not any(PROFILE_OF.get(kind) in allowed for kind in offered):
            continue  # what was preferred has no tariff there, as far as we were told
        if profile not in allowed:
            found.append(Wrong(index, msgspec.structs.replace(tariff, type=_type_of(tariff, known)), allowed[-1]))
    return found


def _type_of(tariff: Tariff | None, known: Known) -> str | None:
    """As it says, or as its owner told us of it: a CDR of 2.1.1 cannot say."""
    if tariff is None or tariff.type is not None:
        return tariff.type if tariff is not None else None
    told = (each for each in (*known.offered, known.tariff) if each is not None and fold(each.id) == fold(tariff.id))
    return next((each.type for each in told), None)


def _allowed(period: ChargingPeriod, known: Known, change: ProfileChange, tolerance: timedelta) -> list[str]:
    """Profiles that a period may be priced for, the likeliest last. At the start an operator may use the token's, or
    not (OCPI 2.2.1, tokens, ``default_profile_type``: "can"); around a change either, for clocks differ. Where nothing
    is offered for what the charge began with, the first one preferred may price all before it."""
    default = known.token.default_profile_type if known.token is not None else None
    start = [ProfileType.REGULAR.value, *([default] if default is not None else [])]
    preferred = known.preferred
    if change is ProfileChange.NEVER or not preferred:
        return start
    is_start_offered = any(each.type is None or PROFILE_OF.get(each.type) in start for each in known.offered)
    if known.offered and not is_start_offered:
        start.append(preferred[0].profile_type)
    if change is ProfileChange.WHOLE:
        return [preferred[-1].profile_type]
    early = [each.profile_type for each in preferred if each.at <= period.start_date_time - tolerance]
    near = [each.profile_type for each in preferred if abs(each.at - period.start_date_time) < tolerance]
    return [*(early[-1:] or start), *near]


def _at_stake(cdr: CDR, known: Known, tariffs: Sequence[Tariff], wrong: Sequence[Wrong]) -> Decimal:
    """What the total differs by from that of the right tariffs; all of it where one of them is not known."""
    whole = abs(cdr.total_cost.before_taxes)
    periods = list(cdr.charging_periods)
    right = list(tariffs)
    for index, tariff, profile in wrong:
        fitting = [each for each in known.offered if PROFILE_OF.get(each.type) == profile]
        fitting += [each for each in known.offered if each.type is None]
        if not fitting or fold(fitting[0].id) == fold(tariff.id):
            return whole
        periods[index] = msgspec.structs.replace(periods[index], tariff_id=fitting[0].id)
        if fold(fitting[0].id) not in {fold(each.id) for each in right}:
            right.append(fitting[0])
    periods = [msgspec.structs.replace(each, tariff_id=each.tariff_id or tariffs[0].id) for each in periods]
    try:
        rated = rate(
            relevant_tariffs(right, periods),
            periods,
            start=cdr.start_date_time,
            end=cdr.end_date_time,
            time_zone=known.time_zone,
            readings=known.readings,
        )
    except RatingError:
        return whole
    return abs(cdr.total_cost.before_taxes - rated.total.before_taxes)
