"""A driver waits at one of our stations: asks the token's owner, and decides by the whitelist policy when it is silent.

Nothing is asked, and nothing granted, without an agreement between the station's CPO and the token's owner.
"""

from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from contracts.envelope import Envelope
from contracts.messages import AuthorizationDecided, AuthorizationRequested
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus
from roaming.model.identifiers import PartyId
from roaming.model.location import LocationReferences
from roaming.model.party import InterfaceRole, Role
from roaming.model.token import AllowedType, AuthorizationInfo, Token, WhitelistType
from roaming.model.version import Version
from roaming.modules.tokens.service import INFO_CODECS, REFERENCES_CODECS
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import DecodeContext, DecodeError, dump_json
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.ocpi.module import Services, dialect_of, routing_to
from roaming.ocpi.partner_call import ask_partner, call_to, parties_of
from roaming.ocpi.racing import race
from roaming.partners.directory import Directory, Partner
from roaming.partners.drivers import Driver, driver_of, find_drivers, remember, touch_driver
from roaming.stations.bindings import Binding, bindings_of_stations

logger = structlog.get_logger(__name__)

STATUS_OF = {
    AllowedType.ALLOWED: AuthorizationStatus.ACCEPTED,
    AllowedType.BLOCKED: AuthorizationStatus.BLOCKED,
    AllowedType.EXPIRED: AuthorizationStatus.EXPIRED,
    AllowedType.NO_CREDIT: AuthorizationStatus.NO_CREDIT,
    AllowedType.NOT_ALLOWED: AuthorizationStatus.NOT_ALLOWED,
}
MARGIN_SECONDS = 0.3
"""Kept of the deadline for the way back over the bus."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What we tell the adapter."""

    status: AuthorizationStatus
    basis: AuthorizationBasis
    reference: str | None = None
    driver: Driver | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the driver stands."""

    cpo: PartyId
    location: LocationReferences

    def takes(self, directory: Directory, emsp: PartyId) -> bool:
        """Whether drivers of ``emsp`` may charge there: by agreement and rules."""
        where = self.location
        return directory.may_charge(cpo=self.cpo, emsp=emsp, location_id=where.location_id, evse_uids=where.evse_uids)


async def decide(services: Services, envelope: Envelope, question: AuthorizationRequested) -> AuthorizationDecided:
    """The answer to one question, before its deadline. Never raises for what a partner does."""
    directory = await services.directory.current()
    place = await _place(services, question)
    left = (question.deadline - services.clock.now()).total_seconds() - MARGIN_SECONDS
    timeout = max(0.1, min(services.authorization_timeout, left))
    drivers = [
        driver
        for driver in await find_drivers(services.database, question.token_uid)
        if place is not None and place.takes(directory, driver.owner)
    ]
    if place is None:
        decision = Decision(status=AuthorizationStatus.NOT_ALLOWED, basis=AuthorizationBasis.WHITELIST)
    elif drivers:
        decision = await _first_allowed(
            _ask_owner(services, directory, driver, place, envelope.correlation_id, timeout) for driver in drivers
        )
    else:
        decision = await _ask_everybody(
            services, directory, question.token_uid, place, envelope.correlation_id, timeout
        )
    return AuthorizationDecided(
        request_id=question.request_id,
        network=question.network,
        station_id=question.station_id,
        token_uid=decision.driver.uid if decision.driver else question.token_uid,
        status=decision.status,
        basis=decision.basis,
        authorization_reference=decision.reference,
        group_id=decision.driver.group_id if decision.driver else None,
        owner=decision.driver.token_owner() if decision.driver else None,
    )


async def _place(services: Services, question: AuthorizationRequested) -> Place | None:
    async with services.database.reading() as connection:
        bindings: Sequence[Binding] = list(
            (await bindings_of_stations(connection, [(question.network, question.station_id)])).values()
        )
    if question.connector_id:
        bindings = [b for b in bindings if b.connector_id == question.connector_id] or bindings
    if not bindings:
        return None
    evses = tuple(dict.fromkeys(binding.evse_uid for binding in bindings))
    return Place(
        cpo=bindings[0].party, location=LocationReferences(location_id=bindings[0].location_id, evse_uids=evses)
    )


async def _first_allowed(asked: Iterable[Coroutine[Any, Any, Decision]]) -> Decision:
    """The owners of one uid, the last one used first, are asked together: the first to allow it has the charge; when
    none does, the first in order says why. Of those that allow it at once, as whitelists do, order decides."""
    allowed, answers = await race(asked, is_won=lambda decision: decision.status == AuthorizationStatus.ACCEPTED)
    return allowed or answers[0]


async def _ask_owner(
    services: Services, directory: Directory, driver: Driver, place: Place, correlation_id: str, timeout: float
) -> Decision:
    by_list = _by_whitelist(driver)
    if by_list is not None:
        return by_list
    partner = directory.partners.get(driver.source)
    if partner is None or not partner.is_connected:
        return _by_policy(driver)
    token = driver.token()
    status, info = await _ask(
        services, partner, driver.owner, driver.uid, driver.type, place, correlation_id, timeout, token=token
    )
    if status is None:
        return _by_policy(driver)
    async with services.database.work() as work:
        await touch_driver(work, driver)
    reference = info.authorization_reference if info is not None else None
    return Decision(status=status, basis=AuthorizationBasis.REAL_TIME, reference=reference, driver=driver)


def _by_whitelist(driver: Driver) -> Decision | None:
    """Where the token may or must be decided without asking (OCPI 2.2.1 tokens 11.4.5)."""
    is_ours = not driver.source
    if is_ours or driver.whitelist == WhitelistType.ALWAYS:
        status = AuthorizationStatus.ACCEPTED if driver.is_valid else AuthorizationStatus.BLOCKED
        return Decision(status=status, basis=AuthorizationBasis.WHITELIST, driver=driver)
    if driver.whitelist == WhitelistType.ALLOWED and driver.is_valid:
        return Decision(status=AuthorizationStatus.ACCEPTED, basis=AuthorizationBasis.WHITELIST, driver=driver)
    return None


def _by_policy(driver: Driver) -> Decision:
    """The owner is silent: the whitelist policy decides."""
    is_accepted = driver.is_valid and driver.whitelist in (WhitelistType.ALLOWED_OFFLINE, WhitelistType.ALLOWED)
    status = AuthorizationStatus.ACCEPTED if is_accepted else AuthorizationStatus.NOT_ALLOWED
    return Decision(status=status, basis=AuthorizationBasis.OFFLINE_POLICY, driver=driver)


async def _ask_everybody(
    services: Services, directory: Directory, uid: str, place: Place, correlation_id: str, timeout: float
) -> Decision:
    """A token nobody told us of: every eMSP under agreement is asked at once, the first ALLOWED wins. Answers of 2.1.1
    name neither token nor contract, and nobody could be billed: it is not asked."""
    asked = [
        (partner, taker)
        for partner, taker in directory.issuers_for(
            place.cpo, location_id=place.location.location_id, evse_uids=place.location.evse_uids
        )
        if partner.endpoint("tokens", InterfaceRole.SENDER) and partner.version != Version.V2_1_1
    ]
    allowed, answers = await race(
        (
            _ask_and_learn(services, directory, partner, taker, uid, place, correlation_id, timeout)
            for partner, taker in asked
        ),
        is_won=lambda decision: decision is not None and decision.status == AuthorizationStatus.ACCEPTED,
    )
    unknown = Decision(status=AuthorizationStatus.UNKNOWN_TOKEN, basis=AuthorizationBasis.REAL_TIME)
    return allowed or next((answer for answer in answers if answer is not None), unknown)


async def _ask_and_learn(
    services: Services,
    directory: Directory,
    partner: Partner,
    taker: PartyId,
    uid: str,
    place: Place,
    correlation_id: str,
    timeout: float,
) -> Decision | None:
    """``None``: it does not know the token, or may not speak for it."""
    status, info = await _ask(services, partner, taker, uid, "RFID", place, correlation_id, timeout)
    if info is None or status is None:
        return None
    driver = await _learn(services, directory, partner, info)
    if driver is None or not place.takes(directory, driver.owner):
        return None
    return Decision(
        status=status,
        basis=AuthorizationBasis.REAL_TIME,
        reference=info.authorization_reference,
        driver=driver,
    )


async def _learn(services: Services, directory: Directory, partner: Partner, info: AuthorizationInfo) -> Driver | None:
    """Whose token it was, remembered for the session. A token of a party that is not the partner's is no answer."""
    owner = PartyId.of(info.token.country_code, info.token.party_id)
    if owner not in partner.parties(Role.EMSP):
        return None
    driver = driver_of(info.token, source=partner.id, now=services.clock.now())
    async with services.database.work() as work:
        await remember(work, driver, is_used=True)
    return driver


async def _ask(
    services: Services,
    partner: Partner,
    owner: PartyId,
    uid: str,
    type: str,
    place: Place,
    correlation_id: str,
    timeout: float,
    *,
    token: Token | None = None,
) -> tuple[AuthorizationStatus | None, AuthorizationInfo | None]:
    """One eMSP's word: (status, info), (UNKNOWN_TOKEN, None), or (None, None) when it could not be had in time.
    ``token``: the one asked about, where it is known."""
    endpoint = partner.endpoint("tokens", InterfaceRole.SENDER)
    if endpoint is None or partner.version is None:
        return None, None
    url = dialect_of(partner).address(endpoint, uid, "authorize") + f"?type={type}"
    encoded = REFERENCES_CODECS[partner.version].encode(place.location)
    call = call_to(
        services,
        partner,
        "POST",
        url,
        routing=routing_to(partner, place.cpo, owner),
        ids=RequestIds.fresh(correlation_id),
        body=dump_json(encoded.body),
        timeout=timeout,
    )
    parties = parties_of(RoutingHeaders(place.cpo, owner))
    answer = await ask_partner(services, call, module="tokens", parties=parties, notes=encoded.losses)
    if answer.outcome == Outcome.DELIVERED:
        try:
            info = INFO_CODECS[partner.version].decode(answer.data, context=DecodeContext(token=token)).value
        except DecodeError as error:
            logger.warning("authorization_unreadable", partner=partner.id, reason=str(error))
            return None, None
        known = info.allowed in AllowedType.__members__
        return (STATUS_OF[AllowedType(info.allowed)] if known else AuthorizationStatus.NOT_ALLOWED), info
    if answer.outcome == Outcome.REFUSED and (answer.http_status == 404 or answer.ocpi_status == 2004):
        return AuthorizationStatus.UNKNOWN_TOKEN, None
    return None, None
