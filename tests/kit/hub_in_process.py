"""The OCPI side of a hub in the test's own process: real services on a real database, called through ASGI.

Hosted are NL-HUB (CPO) and DE-HME (eMSP). Connected are ``aaa`` and ``bbb``, two eMSPs (DE-AAA, DE-BBB), and ``cpo``
and ``riv``, two CPOs (FR-CPO, FR-RIV), all with agreements.
"""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
from fastapi import FastAPI

from contracts.messages import StationConnected
from roaming.app import create_app, open_services
from roaming.model.identifiers import PartyId
from roaming.model.location import Location
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.cdrs import repository as cdrs
from roaming.modules.cdrs import service as cdr_service
from roaming.modules.locations import service as locations
from roaming.modules.sessions import repository as sessions
from roaming.modules.sessions import service as session_service
from roaming.modules.tariffs import service as tariffs
from roaming.modules.tokens import service as tokens
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import OcpiClient
from roaming.ocpi.module import Services
from roaming.partners import registry
from roaming.partners.directory import Endpoint, PartyRole
from roaming.settings import Settings
from roaming.stations import presence
from roaming.stations.bindings import Binding, bind
from roaming.store.consume import Received
from tests.kit import ocpi_bodies
from tests.kit.ocpi_speech import Speech
from tests.kit.speaking import envelope_of

PUBLIC_URL = "http://hub.test/ocpi"
HOSTED_CPO, HOSTED_EMSP = "NL-HUB", "DE-HME"
PARTNERS = {"aaa": ("DE-AAA", Role.EMSP), "bbb": ("DE-BBB", Role.EMSP)}
CPOS = {"cpo": ("FR-CPO", Role.CPO), "riv": ("FR-RIV", Role.CPO)}
SENDER, RECEIVER = "/2.2.1/sender", "/2.2.1/receiver"


@dataclass(frozen=True)
class Answer:
    """One answer. ``body`` is the parsed envelope."""

    http_status: int
    headers: httpx.Headers
    text: str

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.text)
        return body

    @property
    def code(self) -> int:
        code: int = self.body["status_code"]
        return code

    @property
    def message(self) -> str:
        return str(self.body.get("status_message", ""))

    @property
    def data(self) -> Any:
        return self.body.get("data")

    @property
    def outcome(self) -> tuple[int, int]:
        """HTTP status and OCPI status."""
        return self.http_status, self.code


class HubInProcess:
    """See the module docstring. Made by ``hub_in_process``."""

    def __init__(
        self, settings: Settings, services: Services, app: FastAPI, client: httpx.AsyncClient, version: str
    ) -> None:
        self.settings = settings
        self.services = services
        self.app = app
        self.speech = Speech(version)
        """What all connected partners speak."""
        self._client = client
        self.tokens: dict[str, str] = {}
        """The credentials token of each partner, by partner id."""

    async def call(
        self,
        partner: str | None,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        """A request of ``partner`` (or with ``token``) to a path below the public address, or to a whole address."""
        sent = {"Content-Type": "application/json"} | (headers or {})
        used = token if token is not None else self.tokens[partner] if partner is not None else None
        if used is not None:
            sent["Authorization"] = "Token " + base64.b64encode(used.encode()).decode()
        if body is not None:
            content = json.dumps(body, default=str).encode()
        url = path if path.startswith("http") else PUBLIC_URL + path
        answer = await self._client.request(method, url, headers=sent, content=content)
        return Answer(answer.status_code, answer.headers, answer.text)

    async def pages(self, partner: str, path: str, headers: dict[str, str] | None = None) -> list[Answer]:
        """A list, followed by its Link headers to the end."""
        found = [await self.call(partner, "GET", path, headers=headers)]
        while "link" in found[-1].headers:
            link = found[-1].headers["link"]
            assert link.endswith('; rel="next"'), link
            found.append(await self.call(partner, "GET", link[1 : link.index(">")], headers=headers))
            assert len(found) < 1000, "the links lead in a circle"
        return found

    async def journal(self, where: str = "1 = 1") -> list[tuple[Any, ...]]:
        """(partner, module, method, url, HTTP status, OCPI status, request body, answer) of all that was written."""
        await self.services.journal.flush()
        return [
            tuple(row)
            for row in await self.services.database.reader.fetch(
                "SELECT partner_id, module, method, url, http_status, ocpi_status, request_body, response_body"
                f" FROM journal WHERE {where} ORDER BY id"
            )
        ]

    async def add_planned(self, partner_id: str, *parties: str, counterpart: PartyId | None = None) -> str:
        """A partner that has yet to register; returns its TOKEN_A."""
        token_a = f"token-a-of-{partner_id}"
        async with self.services.database.work() as work:
            await registry.add_partner(
                work,
                id=partner_id,
                name=partner_id,
                allowed_parties=[PartyId.parse(party) for party in parties],
                counterpart=counterpart,
            )
            digest = self.services.secrets.digest(token_a)
            await registry.allow_token(work, partner_id=partner_id, digest=digest, is_registration=True)
        return token_a

    async def connect(
        self,
        partner_id: str,
        party: str,
        role: str,
        *,
        url: str = "http://127.0.0.1:9",
        more_modules: tuple[str, ...] = (),
        version: str | None = None,
    ) -> None:
        """A partner as a registration leaves it, in ``version`` or the hub's. ``party``: several with spaces between.
        Nothing listens at its addresses unless ``url`` says otherwise."""
        self.tokens[partner_id] = f"token-c-of-{partner_id}"
        services = self.services
        async with services.database.work() as work:
            counterpart = HOSTED_EMSP if role == Role.CPO else HOSTED_CPO
            await registry.add_partner(work, id=partner_id, name=partner_id, counterpart=PartyId.parse(counterpart))
            digest = services.secrets.digest(self.tokens[partner_id])
            await registry.allow_token(work, partner_id=partner_id, digest=digest, is_registration=False)
        directory = await services.directory.current()
        async with services.database.work() as work:
            await registry.connect_partner(
                work,
                directory,
                directory.partners[partner_id],
                version=version or self.speech.version,
                versions_url=f"{url}/versions",
                endpoints=[
                    Endpoint(module=module, role=side, url=f"{url}/{self.speech.version}/{side.lower()}/{module}")
                    for module in ("locations", "tariffs", "sessions", "cdrs", "tokens", "commands", *more_modules)
                    for side in InterfaceRole
                ],
                roles=[PartyRole(party=PartyId.parse(each), role=role, name=partner_id) for each in party.split()],
                sealed_token=services.secrets.seal("their-token", partner_id=partner_id),
            )

    async def connect_passing(self) -> str:
        """One more CPO that may change its registration or leave, and is connected again then: many that have left
        would make the directory long, and each look at it slow. Returns its token."""
        await self.connect("passing", "LT-PAS", Role.CPO)
        return self.tokens.pop("passing")

    async def give_token(self, partner_id: str, token: str) -> None:
        """The token that a partner wants from us."""
        sealed = self.services.secrets.seal(token, partner_id=partner_id)
        async with self.services.database.work() as work:
            await registry.touch(work)
            partners = registry.PARTNERS
            await work.connection.execute(
                partners.update().where(partners.c.id == partner_id).values(sealed_token=sealed)
            )

    async def host_objects(self) -> None:
        """Ours: location OURS, tariff OURS, token HOME1, and a session and a CDR of a driver of each eMSP partner."""
        await self.host_location("OURS")
        async with self.services.database.work() as work:
            await tariffs.publish(work, decoded(tariffs.CODECS, ocpi_bodies.tariff(HOSTED_CPO, id="OURS")))
            await tokens.publish(work, decoded(tokens.CODECS, ocpi_bodies.token(HOSTED_EMSP, uid="HOME1")))
        for party, _ in PARTNERS.values():
            await self.host_charge(party, f"OURS-{party[-3:]}")

    async def host_location(self, location_id: str, **values: Any) -> None:
        """A location of NL-HUB with one EVSE, published unless ``values`` say otherwise."""
        evse = ocpi_bodies.evse(uid=f"{location_id}-1", evse_id="NL*HUB*E1")
        given: dict[str, Any] = {"id": location_id, "postal_code": "69002", "evses": [evse]}
        body = ocpi_bodies.location(HOSTED_CPO, **given | values)
        location: Location = decoded(locations.LOCATION_CODECS, body)
        async with self.services.database.work() as work:
            await locations.publish(work, location)

    async def host_station(self, station_id: str, location_id: str) -> None:
        """A connected station whose connector 1 is that of the location of ``host_location``."""
        connected = StationConnected(
            network="main", station_id=station_id, instance="adapter", epoch=1, protocol="ocpp1.6"
        )
        binding = Binding(
            network="main",
            station_id=station_id,
            connector_id=1,
            party=PartyId.parse(HOSTED_CPO),
            location_id=location_id,
            evse_uid=f"{location_id}-1",
            evse_connector_id="1",
        )
        async with self.services.database.work() as work:
            await presence.handle(work, [Received(envelope_of(connected), connected)])
            await bind(work, [binding], has_no_key=True)

    async def host_charge(self, emsp: str, id: str) -> None:
        """A session and a CDR of NL-HUB for a driver of ``emsp``."""
        uid = f"CARD-{emsp[-3:]}"
        token = ocpi_bodies.cdr_token(emsp, uid)
        place = {"location_id": "OURS", "evse_uid": "OURS-1"}
        session = decoded(session_service.CODECS, ocpi_bodies.session(HOSTED_CPO, id=id, cdr_token=token, **place))
        body = ocpi_bodies.cdr(HOSTED_CPO, id=id, session_id=id, cdr_token=token)
        body["cdr_location"] |= {"id": "OURS", "evse_uid": "OURS-1", "postal_code": "69002"}
        async with self.services.database.work() as work:
            now = work.now
            session = msgspec.structs.replace(session, last_updated=now)
            await sessions.save(work.connection, None, session, source="", now=now)
            cdr = msgspec.structs.replace(decoded(cdr_service.CODECS, body), last_updated=now)
            await cdrs.insert(work.connection, cdr, source="", now=now, digest="")


def decoded(codecs: Any, body: dict[str, Any]) -> Any:
    return codecs[Version.V2_2_1].decode(json.loads(json.dumps(body))).value


@asynccontextmanager
async def hub_in_process(
    database_url: str,
    folder: Path,
    *,
    version: str = "2.2.1",
    public_url: str = PUBLIC_URL,
    call_partners: Callable[[AddressPolicy], OcpiClient] | None = None,
    **settings: Any,
) -> AsyncIterator[HubInProcess]:
    """Opens the services on a migrated, empty database, with everybody connected in ``version`` and without objects.
    ``call_partners``: a client other than the hub's own. Commands are not limited unless ``settings`` say so."""
    settings.setdefault("commands_per_minute", 0)
    chosen = Settings(
        data_dir=folder,
        database_url=database_url,
        secret="5e" * 32,
        public_url=public_url,
        allowed_networks=("127.0.0.0/8",),
        is_http_allowed=True,
        **settings,
    )
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(chosen))
        if call_partners is not None:
            policy = AddressPolicy.of(*chosen.allowed_networks, is_http_allowed=chosen.is_http_allowed)
            services = replace(services, client=await stack.enter_async_context(call_partners(policy)))
        app = create_app(services)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            hub = HubInProcess(chosen, services, app, client, version)
            async with services.database.work() as work:
                await registry.host_party(work, PartyId.parse(HOSTED_CPO), Role.CPO, name="Hub Charging")
                await registry.host_party(work, PartyId.parse(HOSTED_EMSP), Role.EMSP, name="Home Mobility")
            for partner_id, (party, role) in (PARTNERS | CPOS).items():
                await hub.connect(partner_id, party, role)
            yield hub
            await services.journal.flush()
