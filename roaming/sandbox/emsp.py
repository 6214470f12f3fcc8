"""A sandbox eMSP: OCPI 2.1.1, 2.2.1 or 2.3.0 over HTTP with a store in memory. Knows nothing of the hub's
inside: what it says and keeps is plain JSON, so that it judges the wire and not our own objects."""

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.ocpi.addresses import join
from roaming.ocpi.client import Answer, Call, OcpiClient
from roaming.ocpi.credentials_token import candidates, header_value, new_token
from roaming.ocpi.errors import Unauthorized
from roaming.ocpi.headers import RequestIds, RoutingHeaders, response_headers
from roaming.sandbox import versions
from roaming.sandbox.faults import Fault, FaultPlan

RECEIVED = ("locations", "tariffs", "sessions", "cdrs")
HANGING_SECONDS = 30.0


@dataclass
class Driver:
    """A driver with a contract here."""

    uid: str
    name: str
    contract_id: str
    whitelist: str = "NEVER"
    is_allowed: bool = True

    def token(self, party: PartyId) -> dict[str, Any]:
        """As an OCPI Token."""
        return {
            "country_code": party.country_code,
            "party_id": party.party_id,
            "uid": self.uid,
            "type": "RFID",
            "contract_id": self.contract_id,
            "visual_number": self.name,
            "issuer": "Sandbox eMSP",
            "valid": self.is_allowed,
            "whitelist": self.whitelist,
            "last_updated": "2026-01-01T00:00:00Z",
        }


@dataclass
class Delivery:
    """One request that changed something here: the history that tests check."""

    at: datetime
    method: str
    module: str
    key: str
    body: Any


@dataclass
class SandboxEmsp:
    """See the module docstring. ``url`` is where it is reached, without trailing slash."""

    url: str
    party: PartyId
    client: OcpiClient
    name: str = "Sandbox eMSP"
    version: str = "2.2.1"
    """The only version it knows: one of ``versions.SPOKEN``."""
    drivers: dict[str, Driver] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=lambda: {module: {} for module in RECEIVED})
    history: list[Delivery] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    """CDR ids that were posted again after they had been saved."""
    results: dict[str, str] = field(default_factory=dict)
    """CommandResult by command id."""
    faults: FaultPlan = field(default_factory=FaultPlan)
    on_change: Callable[[], None] = lambda: None
    authorization_delay: float = 0.0
    _accepted: set[str] = field(default_factory=set)
    _hub_token: str = ""
    _hub: dict[tuple[str, str], str] = field(default_factory=dict)
    _hub_parties: list[dict[str, Any]] = field(default_factory=list)

    async def register(self, versions_url: str, token_a: str) -> None:
        """Registers with a hub by the handshake of OCPI credentials. Raises ``RuntimeError`` with the step."""
        await self._exchange("POST", versions_url, token_a)

    async def change_version(self, version: str, versions_url: str) -> None:
        """Speaks another version from now on and says so by PUT. Raises ``RuntimeError`` with the step."""
        self.version = version
        await self._exchange("PUT", versions_url, self._hub_token)

    async def _exchange(self, method: str, versions_url: str, token: str) -> None:
        offered = await self._call("GET", versions_url, token=token)
        details_url = next((v["url"] for v in offered.data or [] if v["version"] == self.version), None)
        if details_url is None:
            raise RuntimeError(f"{versions_url} does not offer {self.version}: {offered.message or offered.error}")
        details = await self._call("GET", details_url, token=token)
        self._hub = versions.addresses_in(self.version, details.data)
        token_b = new_token()
        self._accepted.add(token_b)
        body = versions.credentials_body(
            self.version, token=token_b, url=f"{self.url}/versions", party=self.party, name=self.name
        )
        answer = await self._call(method, self._hub["credentials", "SENDER"], token=token, body=body)
        if not answer.is_delivered:
            raise RuntimeError(f"credentials refused: {answer.message or answer.error}")
        self._hub_token = answer.data["token"]
        self._hub_parties = versions.parties_in(self.version, answer.data)

    async def push_tokens(self) -> None:
        """Gives the hub its drivers' tokens, so that nobody on a whitelist is asked about. Raises ``RuntimeError``."""
        for driver in self.drivers.values():
            token = self._token(driver)
            url = join(self._hub["tokens", "RECEIVER"], self.party.country_code, self.party.party_id, driver.uid)
            answer = await self._call("PUT", url, body=token, to=self.cpo)
            if not answer.is_delivered:
                raise RuntimeError(f"token {driver.uid} refused: {answer.message or answer.error}")

    @property
    def cpo(self) -> PartyId:
        """The hub's first CPO. Raises ``RuntimeError`` when it hosts none."""
        role = next((r for r in self._hub_parties if r["role"] == "CPO"), None)
        if role is None:
            raise RuntimeError("the hub hosts no CPO: roaming party add NL-ABC --role CPO --name '...'")
        return PartyId.of(role["country_code"], role["party_id"])

    async def pull(self, module: str) -> list[dict[str, Any]]:
        """Everything the hub lists, page by page."""
        found: list[dict[str, Any]] = []
        url: str | None = self._hub[module, "SENDER"] + "?limit=50"
        if module == "sessions":
            url = self._hub[module, "SENDER"] + "?limit=50&date_from=2020-01-01T00:00:00Z"
        while url:
            answer = await self._call("GET", url, to=self.cpo)
            found += answer.data or []
            link = answer.headers.get("link", "")
            url = link[1 : link.index(">")] if "next" in link else None
        return found

    async def command(self, name: str, body: dict[str, Any]) -> tuple[str, str]:
        """Sends a command; returns (its id, the CommandResponse's result). The result follows in ``results``."""
        command_id = uuid.uuid4().hex
        body = {**body, "response_url": f"{self.url}/commands/{name}/{command_id}"}
        answer = await self._call("POST", join(self._hub["commands", "RECEIVER"], name), body=body, to=self.cpo)
        if not answer.is_delivered:
            return command_id, answer.message or answer.error or "no answer"
        return command_id, answer.data["result"]

    async def start(self, driver: Driver, location_id: str, evse_uid: str) -> tuple[str, str]:
        """Sends START_SESSION for a driver."""
        body = {"token": self._token(driver), "location_id": location_id, "evse_uid": evse_uid}
        return await self.command("START_SESSION", body)

    async def stop(self, session_id: str) -> tuple[str, str]:
        """Sends STOP_SESSION."""
        return await self.command("STOP_SESSION", {"session_id": session_id})

    async def _call(
        self, method: str, url: str, *, token: str = "", body: Any = None, to: PartyId | None = None
    ) -> Answer:
        return await self.client.request(
            Call(
                partner_key="hub",
                method=method,
                url=url,
                token_header=header_value(token or self._hub_token, "raw" if self._is_old else "base64"),
                headers=RoutingHeaders(self.party, to) if to and not self._is_old else None,
                ids=RequestIds.fresh(),
                body=json.dumps(body).encode() if body is not None else None,
            )
        )

    @property
    def _is_old(self) -> bool:
        return self.version == "2.1.1"

    def _token(self, driver: Driver) -> dict[str, Any]:
        return versions.token_body(self.version, driver.token(self.party))

    def app(self) -> FastAPI:
        """The HTTP side."""
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.add_api_route("/{path:path}", self._answer, methods=["GET", "PUT", "PATCH", "POST", "DELETE"])
        return app

    async def _answer(self, request: Request, path: str) -> Response:
        ids, routing = RequestIds.parse(request.headers), RoutingHeaders.parse(request.headers)
        if self._is_old and routing.to_headers():
            return _envelope(None, 2001, "routing headers are none of 2.1.1", 400)
        headers = {} if self._is_old else response_headers(ids, routing)
        if not self._is_known(request.headers.get("authorization")):
            return _envelope(None, 2000, "unknown token", 401, headers)
        parts = path.strip("/").split("/")
        fault = self.faults.take(parts[0]) if request.method != "GET" else None
        if fault is Fault.ERROR:
            return Response("internal error", 500)
        if fault is Fault.REFUSE:
            return _envelope(None, 3000, "not now", 200, headers)
        if fault is Fault.GARBAGE:
            return HTMLResponse("<html>It works!</html>")
        if fault is Fault.SILENCE:
            await asyncio.sleep(HANGING_SECONDS)
        body = await request.body()
        response = await self._dispatch(request.method, parts, json.loads(body) if body else None, headers)
        if fault is Fault.LOST_ANSWER:
            await asyncio.sleep(HANGING_SECONDS)
        self.on_change()
        return response

    def _is_known(self, header: str | None) -> bool:
        try:
            return any(token in self._accepted for token in candidates(header))
        except Unauthorized:
            return False

    async def _dispatch(self, method: str, parts: list[str], body: Any, headers: dict[str, str]) -> Response:
        match method, parts:
            case "GET", ["versions"]:
                mine = [{"version": self.version, "url": f"{self.url}/{self.version}"}]
                return _envelope(mine, headers=headers)
            case "GET", [version] if version == self.version:
                return _envelope({"version": version, "endpoints": self._endpoints()}, headers=headers)
            case "GET", ["tokens"]:
                tokens = [self._token(driver) for driver in self.drivers.values()]
                return _envelope(tokens, headers={**headers, "X-Total-Count": str(len(tokens)), "X-Limit": "100"})
            case "POST", ["tokens", uid, "authorize"]:
                return await self._authorize(uid, body, headers)
            case "POST", ["commands", _, command_id]:
                self.results[command_id] = body["result"]
                return _envelope(None, headers=headers)
            case "POST", ["cdrs"]:
                return self._take_cdr(body, headers)
            case "GET", [module, *key] if module in RECEIVED:
                found = self.objects[module].get("/".join(key).upper())
                if found is None:
                    return _envelope(None, 2000, "not here", 404, headers)
                return _envelope(found, headers=headers)
            case (("PUT" | "PATCH" | "DELETE"), [("locations" | "tariffs" | "sessions") as module, *key]):
                return self._change(method, module, key, body, headers)
            case _:
                return _envelope(None, 2000, "no such address", 404, headers)

    def _endpoints(self) -> list[dict[str, Any]]:
        entries = [("credentials", "SENDER"), ("tokens", "SENDER"), ("commands", "SENDER")]
        entries += [(module, "RECEIVER") for module in RECEIVED]
        told = [(module, InterfaceRole(role).value, f"{self.url}/{module}") for module, role in entries]
        return versions.endpoint_bodies(self.version, told)

    async def _authorize(self, uid: str, body: Any, headers: dict[str, str]) -> Response:
        await asyncio.sleep(self.authorization_delay)
        driver = self.drivers.get(uid.upper())
        if driver is None:
            return _envelope(None, 2000 if self._is_old else 2004, "unknown token", 404, headers)
        info: dict[str, Any] = {
            "allowed": "ALLOWED" if driver.is_allowed else "BLOCKED",
            "token": driver.token(self.party),
        }
        if driver.is_allowed:
            info["authorization_reference"] = uuid.uuid4().hex
            if body:
                info["location"] = body
        info = versions.info_body(self.version, info)
        self.history.append(Delivery(datetime.now(UTC), "POST", "authorize", uid, info))
        return _envelope(info, headers=headers)

    def _take_cdr(self, cdr: dict[str, Any], headers: dict[str, str]) -> Response:
        owner = self.cpo if self._is_old else PartyId.of(cdr["country_code"], cdr["party_id"])
        key = "/".join((*owner, cdr["id"])).upper()
        if key in self.objects["cdrs"]:
            self.doubles.append(cdr["id"])
        else:
            self.objects["cdrs"][key] = cdr
        self.history.append(Delivery(datetime.now(UTC), "POST", "cdrs", key, cdr))
        address = join(f"{self.url}/cdrs", *owner, cdr["id"])
        return _envelope(None, http_status=201, headers={**headers, "Location": address})

    def _change(self, method: str, module: str, key: list[str], body: Any, headers: dict[str, str]) -> Response:
        name = "/".join(key[:3]).upper()
        self.history.append(Delivery(datetime.now(UTC), method, module, "/".join(key).upper(), body))
        known = self.objects[module]
        if method == "DELETE":
            known.pop(name, None)
        elif len(key) == 3 and method == "PUT":
            known[name] = body
        elif name not in known:
            return _envelope(None, 2003, "PUT the whole object first", 200, headers)
        elif len(key) == 3:
            known[name].update(body)
        else:
            for evse in known[name].get("evses", []):
                if evse["uid"].upper() == key[3].upper():
                    evse.update(body)
            known[name]["last_updated"] = body.get("last_updated", known[name]["last_updated"])
        return _envelope(None, headers=headers)


def _envelope(
    data: Any, code: int = 1000, message: str = "Success", http_status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {"status_code": code, "status_message": message}
    body["timestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if data is not None:
        body["data"] = data
    return JSONResponse(body, http_status, headers=headers)


def sample_drivers(party: PartyId) -> dict[str, Driver]:
    """Drivers to practise with: one asked about each time, one on the whitelist, one who is blocked."""
    names = [
        ("04A1B2C3D4", "Ada", "NEVER", True),
        ("04E5F60718", "Grace", "ALLOWED", True),
        ("04BADBAD01", "Mallory", "NEVER", False),
    ]
    prefix = f"{party.country_code}-{party.party_id}-C"
    return {
        uid: Driver(uid=uid, name=name, contract_id=f"{prefix}{number:08d}", whitelist=whitelist, is_allowed=is_allowed)
        for number, (uid, name, whitelist, is_allowed) in enumerate(names, 1)
    }
