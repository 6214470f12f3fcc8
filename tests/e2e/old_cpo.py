"""A CPO of OCPI 2.1.1 behind a real HTTP server of the test process, which may go on to 2.3.0: by hand, without a codec
of the hub."""

import asyncio
import json
from typing import Any

from roaming.model.identifiers import PartyId
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import Answer, Call, OcpiClient
from roaming.ocpi.credentials_token import header_value
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from tests.kit.ocpi_speech import Speech
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer

MODULES = ("credentials", "locations", "sessions", "cdrs", "tariffs", "tokens", "commands")
TOKEN_B = "token-b-of-the-old-cpo"


class OldCpo:
    """``async with`` it. ``commands``: what it was asked, each accepted; ``lists``: what it gives by GET."""

    def __init__(self, party: str, emsp: str) -> None:
        self.party, self.emsp = party, emsp
        self.version = "2.1.1"
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.lists: dict[str, list[Any]] = {}
        self.server = ScriptedPartner(self._answer)
        self._client = OcpiClient(AddressPolicy.of("127.0.0.0/8", is_http_allowed=True))
        self._hub: dict[tuple[str, str], str] = {}
        self._token = ""

    @property
    def speech(self) -> Speech:
        return Speech(self.version)

    async def __aenter__(self) -> "OldCpo":
        await self.server.__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> None:
        await self._client.aclose()
        await self.server.__aexit__(*failure)

    async def register(self, versions_url: str, token_a: str) -> None:
        """By POST of its credentials."""
        await self._exchange("POST", versions_url, token_a)

    async def go_on_to(self, version: str, versions_url: str) -> None:
        """By PUT of its credentials."""
        self.version = version
        await self._exchange("PUT", versions_url, self._token)

    async def _exchange(self, method: str, versions_url: str, token: str) -> None:
        offered = await self.call("GET", versions_url, token=token)
        details_url = next(entry["url"] for entry in offered.data if entry["version"] == self.version)
        details = await self.call("GET", details_url, token=token)
        self._hub = {(entry["identifier"], entry.get("role", "")): entry["url"] for entry in details.data["endpoints"]}
        body = self.speech.credentials(self.party, f"{self.server.url}/versions", token=TOKEN_B)
        for role in body.get("roles", []):
            role["role"] = "CPO"
        answer = await self.call(method, self.at("credentials", "SENDER"), token=token, body=body)
        assert answer.is_delivered, answer
        self._token = answer.data["token"]

    def at(self, module: str, role: str = "RECEIVER") -> str:
        """The hub's address of a module."""
        return self._hub[module, "" if self.version == "2.1.1" else role]

    async def put(self, module: str, id: str, body: Any) -> Answer:
        """An object of its own."""
        return await self.call("PUT", "/".join((self.at(module), *self.party.split("-"), id)), body=body)

    async def call(self, method: str, url: str, *, body: Any = None, token: str = "") -> Answer:
        """A request to the hub; from 2.2 on for the eMSP."""
        is_old = self.version == "2.1.1"
        routing = None if is_old or token else RoutingHeaders(PartyId.parse(self.party), PartyId.parse(self.emsp))
        return await self._client.request(
            Call(
                partner_key="hub",
                method=method,
                url=url,
                token_header=header_value(token or self._token, "raw" if is_old else "base64"),
                headers=routing,
                ids=RequestIds.fresh(),
                body=json.dumps(body).encode() if body is not None else None,
            )
        )

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> None:
        data: Any = None
        parts = request.target.partition("?")[0].strip("/").split("/")
        match request.method, parts:
            case "GET", ["versions"]:
                data = [{"version": self.version, "url": f"{self.server.url}/{self.version}"}]
            case "GET", [version] if version == self.version:
                data = {"version": version, "endpoints": self._endpoints()}
            case "GET", [module]:
                data = self.lists.get(module, [])
            case "POST", ["commands", name]:
                self.commands.append((name, json.loads(request.body)))
                data = {"result": "ACCEPTED", "timeout": 30}
        writer.write(http_answer(enveloped(data)))

    def _endpoints(self) -> list[dict[str, str]]:
        if self.version == "2.1.1":
            return [{"identifier": module, "url": f"{self.server.url}/{module}"} for module in MODULES]
        receiving = ("tokens", "commands")
        return [
            {
                "identifier": module,
                "role": "RECEIVER" if module in receiving else "SENDER",
                "url": f"{self.server.url}/{module}",
            }
            for module in MODULES
        ]
