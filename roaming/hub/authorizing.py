"""Real-time authorisation without OCPI-to: the token's eMSP is asked, or all that could have issued it at once.

The first ALLOWED wins, else the best other answer; after five seconds nobody is waited for.
"""

from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from roaming.hub.forward import Forwarder
from roaming.hub.passage import Passage, passage_to
from roaming.model.identifiers import PartyId
from roaming.model.token import AllowedType
from roaming.model.version import Version
from roaming.ocpi.codec import parse_json
from roaming.ocpi.errors import ForwardTimeout, OcpiError, UnknownToken
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.minute_limit import MinuteLimit
from roaming.ocpi.module import OcpiModule, OcpiRequest, OcpiResponse, Route, Services
from roaming.ocpi.racing import race
from roaming.partners.drivers import find_drivers


@dataclass(frozen=True, kw_only=True)
class Word:
    """What one of those asked says: an answer, or why there is none."""

    response: OcpiResponse | None = None
    allowed: str = ""
    """An AllowedType; empty without an AuthorizationInfo."""
    error: OcpiError | None = None


class Authorizing:
    """Asks on behalf of a partner CPO."""

    def __init__(self, services: Services, forwarder: Forwarder) -> None:
        self._services = services
        self._forwarder = forwarder
        self._unknown = MinuteLimit(services.unknown_tokens_per_minute, of="tokens that are not known here")

    async def answer(
        self, request: OcpiRequest, module: OcpiModule, route: Route, cpo: PartyId, known: Sequence[PartyId]
    ) -> OcpiResponse | None:
        """``known``: the eMSPs that ``cpo`` has an agreement with. ``None``: only hosted ones could have issued it."""
        issuers = await self._issuers(request, known)
        hosted = [party for party in issuers or known if request.directory.is_hosted(party)]
        ways = [
            passage
            for party in issuers or known
            if (passage := await passage_to(request, module, route, sender=cpo, receiver=party)) is not None
            and (issuers or _names_token(passage))
        ]
        timeout = self._services.authorization_timeout
        if not ways:
            return None
        if len(ways) == 1 and not hosted:
            return await self._forwarder.forward(ways[0], timeout=timeout)
        if not issuers:
            # Whoever makes up tokens would have each of them asked of everybody
            self._unknown.take(request.partner.id, str(cpo))
        asked: list[Coroutine[Any, Any, Word]] = [_word(self._forwarder.forward(way, timeout=timeout)) for way in ways]
        if hosted:
            unnamed = replace(request, routing=RoutingHeaders(request.routing.from_party, None))
            asked.insert(0, _word(route.handle(unnamed)))
        won, words = await race(asked, is_won=lambda word: word.allowed == AllowedType.ALLOWED)
        return _best(won, words)

    async def _issuers(self, request: OcpiRequest, known: Sequence[PartyId]) -> list[PartyId]:
        """Whose token it is, by what was learnt of it; several where they use the same uid."""
        kind = request.query.get("type") or request.query.get("token_type") or "RFID"
        drivers = await find_drivers(self._services.database, request.path["token_uid"])
        owners = [driver.owner for driver in drivers if driver.type == kind and driver.owner in known]
        return list(dict.fromkeys(owners))


def _names_token(passage: Passage) -> bool:
    """Answers of 2.1.1 do not say whose token it is: good enough for another 2.1.1 side only."""
    return passage.their_version != Version.V2_1_1 or passage.is_same_version


async def _word(asked: Awaitable[OcpiResponse]) -> Word:
    try:
        response = await asked
    except OcpiError as error:
        return Word(error=error)
    if response.ocpi_status >= 2000:
        return Word(response=response)
    body = parse_json(response.data or b"null")
    info = body.get("data") if response.is_enveloped and isinstance(body, dict) else body
    allowed = info.get("allowed") if isinstance(info, dict) else None
    return Word(response=response, allowed=allowed if isinstance(allowed, str) else "")


def _best(won: Word | None, words: Sequence[Word]) -> OcpiResponse:
    """An answer that knows the token goes before one that does not, that one before silence. Raises ``OcpiError``."""
    chosen = won or next((word for word in words if word.allowed), None)
    if chosen is not None and chosen.response is not None:
        return chosen.response
    errors = [word.error for word in words if word.error is not None]
    if any(isinstance(error, UnknownToken) for error in errors) or not errors:
        raise UnknownToken("no eMSP that you have an agreement with knows this token")
    raise next((error for error in errors if isinstance(error, ForwardTimeout)), errors[0])
