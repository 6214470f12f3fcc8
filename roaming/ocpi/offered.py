"""Which tariff holds at a connector. Reads other modules' objects, never tables."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId, fold
from roaming.model.location import EVSE, Capability, Connector, Location
from roaming.model.price_reason import PriceReason
from roaming.model.tariff import Tariff, TariffType
from roaming.model.token import ProfileType, TokenType
from roaming.partners.agreements import Rule
from roaming.store.documents import object_key, read_object

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_USUAL: tuple[str | None, ...] = (None, TariffType.REGULAR)
_FOR_ALL: tuple[str | None, ...] = _USUAL[::-1]
"""Types of tariffs, the last one before the others. REGULAR is for cards of contracts without a preference: who has
none, or has one, pays it only where there is no other."""
TARIFF_OF = {
    ProfileType.CHEAP: TariffType.PROFILE_CHEAP,
    ProfileType.FAST: TariffType.PROFILE_FAST,
    ProfileType.GREEN: TariffType.PROFILE_GREEN,
    ProfileType.REGULAR: TariffType.REGULAR,
}
NOT_OFFERED = "no tariff there is for it, or for all: it is not supported"


class Profile(NamedTuple):
    """Which profile a charge is priced for, and where that comes from; ``says`` is empty where nobody said anything."""

    type: ProfileType = ProfileType.REGULAR
    says: str = ""


NO_PROFILE = Profile()


def find_connector(location: Location, evse_uid: str, connector_id: str) -> tuple[EVSE | None, Connector | None]:
    """The EVSE and connector of these ids in a location."""
    for evse in location.evses:
        if fold(evse.uid) == fold(evse_uid):
            for connector in evse.connectors:
                if fold(connector.id) == fold(connector_id):
                    return evse, connector
            return evse, None
    return None, None


def price_reason(rules: Sequence[Rule], own: Sequence[str], profile: Profile = NO_PROFILE) -> PriceReason:
    """Why these tariffs are offered: of ``rules``, which all fit, the first decides; without any the connector's
    ``own``. ``profile``: the one that a charge begins with, which decides among them."""
    first = next(iter(rules), None)
    return PriceReason(
        tariff_ids=first.tariff_ids if first is not None else tuple(own),
        says=str(first) if first is not None else "the connector's own tariffs: no price rule fits",
        rule=first.id if first is not None else None,
        also=tuple(str(rule) for rule in rules[1:]),
        profile=profile.type.value,
        profile_says=profile.says,
    )


async def tariffs_at(
    connection: AsyncConnection, party: PartyId, tariff_ids: Sequence[str], at: datetime
) -> list[Tariff]:
    """Those of these tariffs that are stored and hold at ``at``."""
    found: list[Tariff] = []
    for tariff_id in tariff_ids:
        tariff = await read_object(connection, "tariffs", object_key(party, tariff_id), Tariff)
        if tariff is None:
            continue
        is_begun = tariff.start_date_time is None or tariff.start_date_time <= at
        is_over = tariff.end_date_time is not None and tariff.end_date_time <= at
        if is_begun and not is_over:
            found.append(tariff)
    return found


def pick(tariffs: Sequence[Tariff], *, token_type: str, profile: ProfileType = ProfileType.REGULAR) -> Tariff | None:
    """Of the tariffs that hold somewhere the one of a charge (OCPI 2.2.1, tariffs, TariffType): that of its profile;
    for whoever pays ad hoc, with a token of one use, AD_HOC_PAYMENT; one without type, which is valid for all;
    REGULAR, before which only the others come where one was asked for. Of several the newest start."""
    is_ad_hoc = token_type == TokenType.AD_HOC_USER
    types = _FOR_ALL if is_ad_hoc or profile != ProfileType.REGULAR else _USUAL
    if is_ad_hoc:
        types += (TariffType.AD_HOC_PAYMENT,)
    if profile != ProfileType.REGULAR:
        types += (TARIFF_OF[profile],)
    fitting = [tariff for tariff in tariffs if tariff.type in types]
    return max(fitting, key=lambda t: (types.index(t.type), t.start_date_time or _ALWAYS), default=None)


def is_offered(profile: str, types: Collection[str | None]) -> bool:
    """Whether tariffs of these ``types`` support a profile: each that is supported has one (OCPI 2.2.1, sessions,
    ChargingPreferences). One without type is valid for all sessions; where there is no tariff at all, a charge is what
    it would be anyway."""
    if profile not in ProfileType.__members__:
        return False
    if not types:
        return profile == ProfileType.REGULAR
    return None in types or TARIFF_OF[ProfileType(profile)] in types


def profile_at_start(
    default_profile_type: str | None, evse: EVSE | None, tariffs: Sequence[Tariff], *, whose: str = ""
) -> Profile:
    """The profile that a charge begins with at ``evse``, where ``tariffs`` hold: the one that its token names, where
    the EVSE takes preferences and supports it (OCPI 2.2.1, tokens, ``default_profile_type``), else REGULAR.
    ``whose``: who named it, in words, if not the token."""
    if default_profile_type is None:
        return NO_PROFILE
    says = whose or f"the token's default_profile_type is {default_profile_type}"
    if default_profile_type == ProfileType.REGULAR:
        return Profile(says=says)
    if default_profile_type not in ProfileType.__members__:
        return Profile(says=f"{says}, which is none of {', '.join(ProfileType)}")
    if evse is None or Capability.CHARGING_PREFERENCES_CAPABLE not in evse.capabilities:
        return Profile(says=f"{says}, but the EVSE is not CHARGING_PREFERENCES_CAPABLE")
    if not is_offered(default_profile_type, {tariff.type for tariff in tariffs}):
        return Profile(says=f"{says}, but {NOT_OFFERED}")
    return Profile(ProfileType(default_profile_type), says)
