"""The handshake, both ways (OCPI 2.2.1, credentials 7.1): a partner registers with us, or we with a partner.

Tokens: A is handed over out of band and opens the handshake, B lets the receiver call back, C is what the starter
uses from then on. We keep digests of the tokens we accept and seal those we must send.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from roaming.model.identifiers import PartyId
from roaming.model.party import Credentials, CredentialsRole, InterfaceRole, Role
from roaming.model.place import BusinessDetails
from roaming.model.version import Version
from roaming.modules.credentials.codec import v211, v221, v230
from roaming.ocpi.addresses import on_answering_scheme
from roaming.ocpi.client import Answer, Call, Outcome
from roaming.ocpi.codec import DecodeContext, DecodeError, dump_json
from roaming.ocpi.credentials_token import TokenEncoding, header_value, new_token
from roaming.ocpi.dialect import is_by_hand
from roaming.ocpi.discovery import read_endpoints, read_versions
from roaming.ocpi.errors import (
    AddressRefused,
    InvalidParameters,
    NoMatchingEndpoints,
    OcpiError,
    UnsupportedVersion,
    UnusableApi,
)
from roaming.ocpi.habits import Habit, token_habit
from roaming.ocpi.headers import RequestIds
from roaming.ocpi.module import OcpiRequest, Services, dialect_of
from roaming.ocpi.noticing import notice
from roaming.partners.directory import HUB, Directory, Endpoint, Partner, PartyRole, counterpart_of
from roaming.partners.registry import (
    GRACE,
    PartyTaken,
    allow_token,
    claimable,
    connect_partner,
    disconnect_partner,
    drop_token,
    retire_tokens,
)
from roaming.store.journal import Exchange, mask_body

CODECS = {Version.V2_1_1: v211.CODEC, Version.V2_2_1: v221.CODEC, Version.V2_3_0: v230.CODEC}
LOST_ANSWER_GRACE = timedelta(hours=24)
"""TOKEN_A stays good for credentials this long when our answer may not have arrived; the first use of C ends it."""
TIMEOUT_SECONDS = 10.0
_OLD_2_2 = "2.2"


class RegistrationFailed(RuntimeError):
    """A handshake that we started did not come to an end. The text says at which step and what to do."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a platform offers in one version."""

    version: Version
    details_url: str
    endpoints: tuple[Endpoint, ...]

    def credentials_url(self) -> str | None:
        """Where its credentials are."""
        return next((endpoint.url for endpoint in self.endpoints if endpoint.module == "credentials"), None)


def ours(services: Services, parties: Sequence[PartyRole], token: str) -> Credentials:
    """Our credentials with ``token`` for the other side to send, naming ``parties`` of ours."""
    hub = services.hub_party
    return Credentials(
        token=token,
        url=f"{services.public_url}/versions",
        hub_party_id=f"{hub.country_code}{hub.party_id}" if hub is not None else None,
        roles=tuple(
            CredentialsRole(
                role=entry.role,
                party_id=entry.party.party_id,
                country_code=entry.party.country_code,
                business_details=BusinessDetails(name=entry.name, website=entry.website),
            )
            for entry in parties
        ),
    )


def encode_ours(services: Services, directory: Directory, partner: Partner, version: Version, token: str) -> bytes:
    """JSON of our credentials in ``version``. Raises ``NoMatchingEndpoints`` while there is nobody to speak for: no
    party is hosted here and the hub has none of its own, or none is agreed on for 2.1.1."""
    if not directory.hosted and (services.hub_party is None or version == Version.V2_1_1):
        raise NoMatchingEndpoints("this hub hosts no party yet: its operator must add one first")
    parties: Sequence[PartyRole] = directory.hosted
    if version == Version.V2_1_1:
        parties = _counterpart(directory, partner)[:1]
    elif services.hub_party is not None:
        parties = [*parties, *_of_hub(services.hub_party, directory, partner, version)]
    return dump_json(CODECS[version].encode(ours(services, parties, token)).body)


def _of_hub(hub: PartyId, directory: Directory, partner: Partner, version: Version) -> Sequence[PartyRole]:
    """What a hub adds to its own parties: those of other partners (2.3.0), or its own role (2.2.1, which has hub client
    info for the others). 2.3.0 has no role for hubs and wants one role at least: a hub of nobody yet is OTHER."""
    if version < Version.V2_3_0:
        return [PartyRole(party=hub, role=HUB, name=f"{hub}")]
    others = [other for other in directory.partners.values() if other.is_connected and other.id != partner.id]
    behind = [entry for other in others for entry in other.roles if entry.role != HUB]
    known = {(entry.party, entry.role): entry for entry in behind if not directory.is_hosted(entry.party)}
    is_alone = not known and not directory.hosted
    return [PartyRole(party=hub, role=Role.OTHER.value, name=f"{hub}")] if is_alone else list(known.values())


def _counterpart(directory: Directory, partner: Partner) -> Sequence[PartyRole]:
    """The one party that 2.1.1 is spoken for, in each of its roles."""
    party = counterpart_of(directory, partner)
    if party is None:
        raise NoMatchingEndpoints(
            f"OCPI 2.1.1 has one party per connection and this hub hosts several: its operator must say which one with"
            f" `roaming partner add {partner.id} --as`"
        )
    return [entry for entry in directory.hosted if entry.party == party]


async def accept(request: OcpiRequest, body: Any) -> bytes:
    """They start (POST) or renew (PUT): calls back, records, and answers with our credentials and a new token.

    Raises ``UnusableApi`` (3001), ``UnsupportedVersion`` (3002), ``NoMatchingEndpoints`` (3003) or
    ``InvalidParameters``; then nothing has changed and the old tokens are still good.
    """
    services, partner, version = request.services, request.partner, request.version
    theirs, roles = _decode_theirs(body, version, request.directory, partner)
    try:
        claimable(request.directory, partner, roles)
    except PartyTaken as error:
        raise InvalidParameters(f"roles: {error}") from None
    try:
        services.client.check(theirs.url)
    except AddressRefused as error:
        raise InvalidParameters(f"url: {error.message}") from None
    offer = await _look_up(services, partner, theirs.url, theirs.token, version)
    token = new_token()
    answer = encode_ours(services, request.directory, partner, version, token)
    async with services.database.work() as work:
        digest = services.secrets.digest(token)
        await allow_token(work, partner_id=partner.id, digest=digest, is_registration=False)
        grace = LOST_ANSWER_GRACE if request.is_registration else GRACE
        presented = services.secrets.digest(request.presented_token)
        await retire_tokens(work, partner_id=partner.id, keep=[digest, presented])
        await retire_tokens(work, partner_id=partner.id, keep=[digest], grace=grace)
        directory = await services.directory.current()
        try:
            await connect_partner(
                work,
                directory,
                partner,
                version=version.value,
                versions_url=theirs.url,
                endpoints=offer.endpoints,
                roles=roles,
                sealed_token=services.secrets.seal(theirs.token, partner_id=partner.id),
            )
        except PartyTaken as error:  # while we looked the platform up
            raise InvalidParameters(f"roles: {error}") from None
    return answer


async def forget(services: Services, partner_id: str) -> None:
    """They leave, or we end it: all tokens are void at once."""
    async with services.database.work() as work:
        await disconnect_partner(work, partner_id)


async def register(services: Services, partner_id: str, *, versions_url: str, token_a: str) -> Offer:
    """We start: picks the best version both know and exchanges credentials. Raises ``RegistrationFailed``."""
    directory = await services.directory.current()
    partner = directory.partners[partner_id]
    return await _exchange(services, directory, partner, versions_url, token_a, method="POST")


async def renew(services: Services, partner_id: str) -> Offer:
    """We PUT: endpoints are looked up again and both tokens are replaced. Raises ``RegistrationFailed``."""
    directory = await services.directory.current()
    partner = directory.partners[partner_id]
    token = services.secrets.unseal(partner.sealed_token, partner_id=partner.id)
    return await _exchange(services, directory, partner, partner.versions_url, token, method="PUT")


async def leave(services: Services, partner_id: str) -> str:
    """We DELETE our credentials there and forget the partner here, whatever it answers: returns what was wrong with
    its answer, or nothing."""
    partner = (await services.directory.current()).partners[partner_id]
    url = partner.endpoint("credentials", InterfaceRole.SENDER) or partner.endpoint(
        "credentials", InterfaceRole.RECEIVER
    )
    refusal = "it was not asked: it has no address for credentials"
    if partner.is_connected and url is not None:
        token = services.secrets.unseal(partner.sealed_token, partner_id=partner.id)
        answer = await _call(services, partner, "DELETE", url, token)
        refusal = "" if answer.outcome == Outcome.DELIVERED else _words(answer)
    await forget(services, partner_id)
    return refusal


async def _exchange(
    services: Services, directory: Directory, partner: Partner, versions_url: str, token: str, *, method: str
) -> Offer:
    try:
        offer = await _look_up(services, partner, versions_url, token, None)
    except OcpiError as error:
        raise RegistrationFailed(error.message) from None
    url = offer.credentials_url()
    if url is None:
        raise RegistrationFailed(f"{offer.details_url} lists no credentials endpoint")
    token_b = new_token()
    digest = services.secrets.digest(token_b)
    try:
        body = encode_ours(services, directory, partner, offer.version, token_b)
    except NoMatchingEndpoints as error:
        raise RegistrationFailed(error.message) from None
    async with services.database.work() as work:  # the partner calls back with it before it answers
        await allow_token(work, partner_id=partner.id, digest=digest, is_registration=False)
    answer = await _call(services, partner, method, url, token, body, version=offer.version)
    if answer.outcome != Outcome.DELIVERED:
        if answer.http_status is not None or method == "POST":
            async with services.database.work() as work:
                await drop_token(work, digest)
        # a renewal whose answer got lost may hold there: then the partner comes with the new token, else with the old
        raise RegistrationFailed(f"{method} {url}: {_words(answer)}")
    try:
        theirs, roles = _decode_theirs(answer.data, offer.version, directory, partner)
    except DecodeError as error:
        raise RegistrationFailed(f"{method} {url}: its credentials cannot be read: {error}") from None
    async with services.database.work() as work:
        await retire_tokens(work, partner_id=partner.id, keep=[digest], grace=GRACE)
        try:
            await connect_partner(
                work,
                await services.directory.current(),
                partner,
                version=offer.version.value,
                versions_url=versions_url,
                endpoints=offer.endpoints,
                roles=roles,
                sealed_token=services.secrets.seal(theirs.token, partner_id=partner.id),
            )
        except PartyTaken as error:
            raise RegistrationFailed(str(error)) from None
    return offer


async def _look_up(
    services: Services, partner: Partner, versions_url: str, token: str, version: Version | None
) -> Offer:
    """A platform's endpoints in ``version``, or in the best version both know."""
    answer = await _call(services, partner, "GET", versions_url, token, version=version)
    found = read_versions(answer.data) if answer.outcome == Outcome.DELIVERED else None
    if found is None:
        raise UnusableApi(f"GET {versions_url}: {_words(answer)}")
    offered = {name: on_answering_scheme(url, versions_url) for name, url in found.items()}
    wanted = [version] if version is not None else sorted(services.versions, reverse=True)
    await _take_2_2(services, partner, offered, wanted)
    chosen = next((entry for entry in wanted if entry.value in offered), None)
    if chosen is None:
        raise UnsupportedVersion(f"{versions_url} offers {', '.join(offered) or 'nothing'}, not {', '.join(wanted)}")
    answer = await _call(services, partner, "GET", offered[chosen.value], token, version=chosen)
    if answer.outcome != Outcome.DELIVERED:
        raise UnusableApi(f"GET {offered[chosen.value]}: {_words(answer)}")
    endpoints = _endpoints(answer.data, chosen, versions_url)
    try:
        endpoints = _callable(services, endpoints)
    except AddressRefused as error:
        raise UnusableApi(f"GET {offered[chosen.value]}: {error.message}") from None
    offer = Offer(version=chosen, details_url=offered[chosen.value], endpoints=endpoints)
    if offer.credentials_url() is None:
        raise NoMatchingEndpoints(f"{offer.details_url} lists no credentials endpoint")
    return offer


async def _take_2_2(services: Services, partner: Partner, offered: dict[str, str], wanted: Sequence[Version]) -> None:
    """Lets 2.2 stand for 2.2.1, which corrects it and adds little, where it is the best that the partner has."""
    known = [entry for entry in wanted if entry.value in offered and entry > Version.V2_1_1]
    dialect = dialect_of(partner)
    if _OLD_2_2 not in offered or known or Version.V2_2_1 not in wanted or dialect.version_2_2 == "refused":
        return
    offered[Version.V2_2_1.value] = offered[_OLD_2_2]
    why = f"GET versions: {', '.join(sorted(offered.keys() - {Version.V2_2_1.value}))}"
    await notice(services, partner.id, [Habit(name="version_2_2", value="offered", why=why)])


def _endpoints(data: Any, version: Version, versions_url: str) -> tuple[Endpoint, ...]:
    """Modules and sides, over the scheme that answered at ``versions_url``."""
    return tuple(
        replace(endpoint, url=on_answering_scheme(endpoint.url, versions_url))
        for endpoint in read_endpoints(data, version)
    )


def _callable(services: Services, endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The endpoints that may be called. Raises ``AddressRefused``, naming module and side, for a forbidden one of a
    module that is spoken here: told now, its partner can mend it; one of another module is nothing to us."""
    spoken = {module.id for module in services.modules}
    found: list[Endpoint] = []
    for endpoint in endpoints:
        try:
            services.client.check(endpoint.url)
        except AddressRefused as error:
            if endpoint.module in spoken:
                where = f"endpoints: {endpoint.module} ({endpoint.role})"
                raise AddressRefused(f"{where}: url: {error.message}") from None
        else:
            found.append(endpoint)
    return tuple(found)


def _decode_theirs(
    body: Any, version: Version, directory: Directory, partner: Partner
) -> tuple[Credentials, Sequence[PartyRole]]:
    """Their credentials and parties. 2.1.1 names no role: theirs is the opposite of our counterpart's, or both."""
    if version != Version.V2_1_1:
        theirs = CODECS[version].decode(body).value
        return theirs, _roles(theirs)
    opposite = {Role.CPO.value: Role.EMSP, Role.EMSP.value: Role.CPO}
    found = [opposite[entry.role] for entry in _counterpart(directory, partner) if entry.role in opposite]
    theirs = CODECS[version].decode(body, context=DecodeContext(role=found[0] if found else Role.OTHER)).value
    return theirs, [replace(role, role=each.value) for role in _roles(theirs) for each in found or [Role.OTHER]]


def _roles(credentials: Credentials) -> Sequence[PartyRole]:
    """Its parties. The party of a hub is kept in the role that it has in 2.2.1. Raises ``DecodeError``."""
    hub = None
    if credentials.hub_party_id:
        try:
            hub = PartyId.parse(credentials.hub_party_id)
        except ValueError as error:
            raise DecodeError("hub_party_id", str(error)) from None
    return [
        *([PartyRole(party=hub, role=HUB, name=f"{hub}")] if hub is not None else []),
        *(
            PartyRole(
                party=PartyId.of(role.country_code, role.party_id),
                role=role.role,
                name=role.business_details.name,
                website=role.business_details.website,
            )
            for role in credentials.roles
        ),
    ]


async def _call(
    services: Services,
    partner: Partner,
    method: str,
    url: str,
    token: str,
    body: bytes | None = None,
    *,
    version: Version | None = None,
) -> Answer:
    """One call of a configuration module: no routing headers. After a 401 the other form of the token is tried once,
    since partners disagree on Base64."""
    ids = RequestIds.fresh()
    first = await _encoding(services, partner, version)
    other: TokenEncoding = "raw" if first == "base64" else "base64"
    forms = (first,) if is_by_hand(partner.dialect, "token_encoding") else (first, other)
    answer = Answer(outcome=Outcome.UNREACHABLE)
    for form in forms:
        at = services.clock.now()
        answer = await services.client.request(
            Call(
                partner_key=partner.id,
                method=method,
                url=url,
                token_header=header_value(token, form),
                headers=None,
                ids=ids,
                body=body,
                timeout=TIMEOUT_SECONDS,
            )
        )
        services.journal.note(
            Exchange(
                at=at,
                direction="out",
                method=method,
                url=url,
                partner_id=partner.id,
                module="credentials",
                http_status=answer.http_status,
                ocpi_status=answer.ocpi_status,
                request_id=ids.request_id,
                correlation_id=ids.correlation_id,
                request_body=mask_body(body or b"", holds_credentials=True),
                response_body=mask_body(answer.body, holds_credentials=True),
                note=answer.error or "",
            )
        )
        if answer.http_status != 401:
            break
    if form == other and answer.is_delivered and answer.http_status is not None:
        await notice(services, partner.id, [token_habit(method, "credentials", first, other, answer.http_status)])
    return answer


async def _encoding(services: Services, partner: Partner, version: Version | None) -> TokenEncoding:
    """The form that the partner took last, else that of the version; a registration has several calls."""
    known = (await services.directory.current()).partners.get(partner.id, partner)
    return dialect_of(known, version).token_encoding


def _words(answer: Answer) -> str:
    if answer.http_status is None:
        return answer.error or "no answer"
    return f"HTTP {answer.http_status}, OCPI {answer.ocpi_status}, {answer.message or answer.error or 'no message'}"
