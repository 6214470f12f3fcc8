"""A hub between partners on real sockets: who is connected, in which version, and what they were asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners import registry
from tests.kit.hub_in_process import Answer, HubInProcess, hub_in_process
from tests.kit.ocpi_speech import Speech
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer

PARTIES = {"ope": "ES-OPE", "op2": "ES-OP2", "msp": "IT-MSP", "ms2": "IT-MS2", "ptp": "AT-PTP", "pt2": "AT-PT2"}
"""``ope`` and ``op2`` run stations, ``msp`` and ``ms2`` have drivers, ``ptp`` and ``pt2`` payment terminals."""
ROLES = {"o": Role.CPO, "m": Role.EMSP, "p": Role.OTHER}
_FURTHER = {Role.CPO: ("payments", "bookings"), Role.EMSP: ("bookings",), Role.OTHER: ("payments",)}


class Neighbour:
    """A partner that answers as a test says: 1000 without data, unless told otherwise."""

    def __init__(self, hub: HubInProcess, name: str, version: str) -> None:
        self.hub = hub
        self.name = name
        self.party = PARTIES[name]
        self.speech = Speech(version)
        self.says: Callable[[Received], bytes] = lambda _request: http_answer(enveloped(None))
        self.delay = 0.0
        self.door = ScriptedPartner(self._answer)

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        writer.write(self.says(request))

    def says_data(self, data: Any, *, status: str = "200 OK", **headers: str) -> None:
        """From now on."""
        self.says = lambda _request: http_answer(enveloped(data), status=status, **headers)

    def says_code(self, code: int, *, status: str = "200 OK") -> None:
        """From now on: a refusal."""
        self.says = lambda _request: http_answer(enveloped(None, status_code=code), status=status)

    @property
    def asked(self) -> list[Received]:
        """All requests that came through the hub."""
        return self.door.requests

    @property
    def last(self) -> Received:
        return self.door.requests[-1]

    @property
    def last_body(self) -> Any:
        return json.loads(self.last.body)

    def headers(self, to: "Neighbour | str | None" = None) -> dict[str, str]:
        """OCPI-from this party, and OCPI-to; none in 2.1.1."""
        if self.speech.version == "2.1.1":
            return {}
        receiver = to.party if isinstance(to, Neighbour) else to
        found = _pair("from", self.party)
        return found | (_pair("to", receiver) if receiver else {})

    async def call(
        self,
        method: str,
        path: str,
        *,
        to: "Neighbour | str | None" = None,
        headers: Mapping[str, str] = {},
        **more: Any,
    ) -> Answer:
        """A request of this partner to the hub."""
        return await self.hub.call(self.name, method, path, headers={**self.headers(to), **headers}, **more)

    async def push(
        self, method: str, module: str, id: str, *, to: "Neighbour | str | None" = None, body: Any
    ) -> Answer:
        """An object of its own to the receiver's side of a module."""
        path = f"{self.speech.receiver(module)}/{self.party.replace('-', '/')}/{id}"
        return await self.call(method, path, to=to, body=body)


def _pair(direction: str, party: str) -> dict[str, str]:
    country_code, party_id = party.split("-")
    return {f"OCPI-{direction}-country-code": country_code, f"OCPI-{direction}-party-id": party_id}


def parties_in(headers: Mapping[str, str]) -> tuple[str, str]:
    """(from, to) as header names say it, in lower case."""
    return tuple(  # type: ignore[return-value]
        f"{headers.get(f'ocpi-{side}-country-code', '')}-{headers.get(f'ocpi-{side}-party-id', '')}"
        for side in ("from", "to")
    )


@dataclass(frozen=True)
class Passing:
    """The hub and the neighbours by name."""

    hub: HubInProcess
    of: Mapping[str, Neighbour]

    def __getattr__(self, name: str) -> Neighbour:
        return self.of[name]


@asynccontextmanager
async def passing_hub(
    database_url: str,
    folder: Path,
    *,
    agreed: tuple[tuple[str, str], ...] | None = None,
    unknown_tokens_per_minute: int = 0,
    **versions: str,
) -> AsyncIterator[Passing]:
    """``versions``: of whom is connected, such as ``ope="2.1.1"``. Agreements between all of them but what ``agreed``
    says otherwise: pairs of (CPO, eMSP) by name."""
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(
            hub_in_process(
                database_url, folder, hub_party="NL-HUX", unknown_tokens_per_minute=unknown_tokens_per_minute
            )
        )
        of = {name: Neighbour(hub, name, version) for name, version in versions.items()}
        for name, each in of.items():
            await stack.enter_async_context(each.door)
            role = ROLES[name[0]]
            more = ("chargingprofiles", *_FURTHER[role])
            await hub.connect(name, each.party, role, url=each.door.url, version=each.speech.version, more_modules=more)
        everybody = tuple((cpo, emsp) for cpo in of for emsp in of if cpo[0] == "o" and emsp[0] != "o")
        async with hub.services.database.work() as work:
            for cpo, emsp in everybody if agreed is None else agreed:
                await registry.agree(work, cpo=PartyId.parse(PARTIES[cpo]), emsp=PartyId.parse(PARTIES[emsp]))
        yield Passing(hub, of)
