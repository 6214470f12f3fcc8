"""Which tariff holds at a connector. Reads other modules' objects, never tables."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId, fold
from roaming.model.location import EVSE, Connector, Location
from roaming.model.price_reason import PriceReason
from roaming.model.tariff import Tariff, TariffType
from roaming.model.token import TokenType
from roaming.partners.agreements import Rule
from roaming.store.documents import object_key, read_object

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_USUAL: tuple[str | None, ...] = (None, TariffType.REGULAR)
_AD_HOC: tuple[str | None, ...] = (*_USUAL[::-1], TariffType.AD_HOC_PAYMENT)
"""Types of tariffs, the last one before the others. REGULAR is for cards of contracts: who has none pays it only where
there is no other."""


def find_connector(location: Location, evse_uid: str, connector_id: str) -> tuple[EVSE | None, Connector | None]:
    """The EVSE and connector of these ids in a location."""
    for evse in location.evses:
        if fold(evse.uid) == fold(evse_uid):
            for connector in evse.connectors:
                if fold(connector.id) == fold(connector_id):
                    return evse, connector
            return evse, None
    return None, None


def price_reason(rules: Sequence[Rule], own: Sequence[str]) -> PriceReason:
    """Why these tariffs are offered: of ``rules``, which all fit, the first decides; without any the connector's
    ``own``."""
    if not rules:
        return PriceReason(tariff_ids=tuple(own), says="the connector's own tariffs: no price rule fits")
    first, *others = rules
    return PriceReason(
        tariff_ids=first.tariff_ids, says=str(first), rule=first.id, also=tuple(str(rule) for rule in others)
    )


async def tariff_at(
    connection: AsyncConnection, party: PartyId, tariff_ids: Sequence[str], at: datetime, *, token_type: str
) -> Tariff | None:
    """Of these tariffs the one that holds at ``at``: REGULAR or without type, and for whoever pays ad hoc, with a token
    of one use, first of all AD_HOC_PAYMENT; of several the newest start first (OCPI 2.2.1, tariffs, TariffType). Those
    of profiles are for nobody: what a driver wishes is told after the start, whose tariff is kept."""
    types = _AD_HOC if token_type == TokenType.AD_HOC_USER else _USUAL
    found: list[Tariff] = []
    for tariff_id in tariff_ids:
        tariff = await read_object(connection, "tariffs", object_key(party, tariff_id), Tariff)
        if tariff is None or tariff.type not in types:
            continue
        is_begun = tariff.start_date_time is None or tariff.start_date_time <= at
        is_over = tariff.end_date_time is not None and tariff.end_date_time <= at
        if is_begun and not is_over:
            found.append(tariff)
    return max(found, key=lambda t: (types.index(t.type), t.start_date_time or _ALWAYS), default=None)
