"""A tariff and a CDR, Session or charge of constant power, as JSON of any OCPI version, in; the document priced, out.
Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from roaming.rating.constant_power import story_of
from roaming.rating.cutting import price_session
from roaming.rating.documents import Charge, charge_of, check_currency, priced, tariff_of, version_of
from roaming.rating.engine import rate
from roaming.rating.errors import MalformedDocument
from roaming.rating.price_list import PriceList, price_lists
from roaming.rating.rated import Rated
from roaming.rating.readings import Readings
from roaming.rating.spanning import Span, spans_of

VERSIONS: Final = ("2.1.1", "2.2.1", "2.3.0")


class PricedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """``document``: what came in with every total as ``rated`` has it. ``spans``: periods that outlast their price."""

    document: Mapping[str, Any]
    rated: Rated
    spans: tuple[Span, ...] = ()


def price_document(
    tariffs: Sequence[Mapping[str, Any]],
    body: Mapping[str, Any],
    *,
    time_zone: str = "",
    version: str = "",
    chosen: Mapping[str, object] | None = None,
    is_reservation_expired: bool = False,
) -> PricedDocument:
    """Prices ``body`` by one tariff, or by those that its periods name. ``time_zone``: of the location, over that of
    the document; ``chosen``: readings by name. Numbers are Decimal or int. Raises ``RatingError``."""
    version = version or version_of(tariffs[0], body)
    lists = price_lists([tariff_of(each) for each in tariffs], readings_of(version, chosen or {}))
    if "power_kw" in body or "phases" in body:
        return _constant(tariffs, body, lists, time_zone, version)
    charge = charge_of(body)
    check_currency(lists[0].tariff, charge)
    zone = _zone(lists, time_zone or charge.time_zone or "")
    rated = rate(
        lists,
        charge.periods,
        start=charge.start,
        end=charge.end,
        time_zone=zone,
        is_reservation_expired=is_reservation_expired,
    )
    spans = spans_of(rated, charge.periods, end=charge.end, time_zone=zone)
    return PricedDocument(document=priced(body, tariffs, charge, rated, version), rated=rated, spans=spans)


def _constant(
    tariffs: Sequence[Mapping[str, Any]],
    body: Mapping[str, Any],
    lists: Sequence[PriceList],
    time_zone: str,
    version: str,
) -> PricedDocument:
    if len(lists) > 1:
        raise MalformedDocument("tariff: these are several, and no period names one; give one, or a CDR with periods")
    zone = _zone(lists, time_zone or str(body.get("time_zone") or ""))
    try:
        story = story_of(body)
    except KeyError as error:
        raise MalformedDocument(f"charge: {error.args[0]} is missing") from None
    except msgspec.ValidationError as error:
        raise MalformedDocument(f"charge: {error}") from None
    session = price_session(story, lists[0], zone)
    assert session.rated is not None
    charge = Charge(
        start=session.start_date_time,
        end=session.end_date_time,
        periods=session.periods,
        currency=None,
        is_credit=False,
        time_zone=zone,
    )
    return PricedDocument(document=priced({}, tariffs[:1], charge, session.rated, version), rated=session.rated)


def readings_of(version: str, chosen: Mapping[str, object]) -> Readings:
    """The readings of a version with those that are chosen. Raises ``UnknownReading`` and ``MalformedDocument``."""
    if version not in VERSIONS:
        raise MalformedDocument(f"version (--version): {version[:20]} is none of {', '.join(VERSIONS)}")
    return Readings.of_version(version).choosing(chosen)


def _zone(lists: Sequence[PriceList], time_zone: str) -> str:
    if not time_zone and any(prices.is_local_time_needed for prices in lists):
        raise MalformedDocument(
            "time_zone (--time-zone): the tariff looks at local times or days; give the zone of the location, such as"
            " Europe/Amsterdam"
        )
    return time_zone or "UTC"
