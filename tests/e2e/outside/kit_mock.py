"""The OCPI eMSP, or CPO, of the Rust crate ocpi-kit (``ocpi serve-mock``) behind a relay that writes down what it is
told.

The mock is outside: discovery, credentials, every receiver, the real-time authorisation and its store. It keeps no
registrations: it answers a POST of credentials with its own, never calls back and forgets the token it was given. The
relay changes nothing; it is there because only the wire shows that token.
"""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx

from tests.kit import tools
from tests.kit.scripted_partner import Received, ScriptedPartner, http_answer
from tests.kit.server_process import LOOPBACK, ServerProcess, free_port

PARTY, CPO = "DE-ABC", "NL-TNM"
"""Whom the mock speaks for as eMSP and as CPO. Each is the only party that the other takes objects from."""
TOKEN_A, TOKEN_C = "test-token-a", "test-token-c"


def ocpi_program() -> Path:
    """The crate's command line program; skips the test where it is missing."""
    return tools.ocpi_cli() or tools.is_missing("the program ocpi of the crate ocpi-kit: run .ci/run once")


async def ocpi(*arguments: str, is_failure_expected: bool = False) -> str:
    """Runs ``ocpi --insecure ARGUMENTS`` and returns what it printed. Fails the test when it exits with an error."""
    process = await asyncio.create_subprocess_exec(
        ocpi_program(), "--insecure", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert is_failure_expected or process.returncode == 0, f"ocpi {' '.join(arguments)}\n{out.decode()}{err.decode()}"
    return out.decode()


class KitMock:
    """``async with`` it. ``url`` is the relay's, which is also what the mock's version details say."""

    def __init__(self, folder: Path, version: str = "2.2.1", *, role: str = "emsp", is_seeded: bool = False) -> None:
        """``role``: ``emsp`` or ``cpo``. A seeded CPO has a location LOC1, a tariff T1, and a session and a CDR of 2024
        for a driver of DE-TNM."""
        self.version = version
        self._log = folder / f"mock-{role}.log"
        self._options = ("--role", role, "--version", version, *([] if is_seeded else ["--empty"]))
        self._partner = CPO if role == "emsp" else PARTY
        self._relay = ScriptedPartner(self._pass_on)
        self._port = free_port()
        self._client = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{self._port}", trust_env=False, timeout=20)
        self.answers: list[tuple[Received, int, Any]] = []
        """What came, the HTTP status and the body that the mock answered with."""

    async def __aenter__(self) -> "KitMock":
        await self._relay.__aenter__()
        bind = f"{LOOPBACK}:{self._port}"
        command = [ocpi_program(), "--insecure", "serve-mock", "--bind", bind, "--base-url", self._relay.url]
        self._process = ServerProcess([*command, *self._options], log=self._log)
        await asyncio.to_thread(self._process.start, lambda text: "ocpi conformance" in text, seconds=20)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._relay.__aexit__()
        await self._client.aclose()
        await asyncio.to_thread(self._process.stop)

    @property
    def versions_url(self) -> str:
        """Where a registration starts."""
        return f"{self._relay.url}/versions"

    async def _pass_on(self, request: Received, writer: asyncio.StreamWriter) -> None:
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        answer = await self._client.request(
            request.method, request.target, headers=headers, content=request.body or None
        )
        self.answers.append((request, answer.status_code, answer.json() if answer.content else None))
        kept = {
            name.replace("-", "_"): value
            for name, value in answer.headers.items()
            if name not in ("content-length", "transfer-encoding", "connection", "content-encoding")
        }
        writer.write(http_answer(answer.content, status=f"{answer.status_code} {answer.reason_phrase}", **kept))

    async def give(self, module: str, body: dict[str, Any]) -> None:
        """Puts an object of the mock's own party into its store, through the only door that it has for one."""
        code, party = self._partner.split("-")
        id = body["uid" if module == "tokens" else "id"]
        is_record = module == "cdrs"
        answer = await self._client.request(
            "POST" if is_record else "PUT",
            f"/receiver/{module}" if is_record else f"/receiver/{module}/{code}/{party}/{id}",
            headers={"Authorization": "Token " + base64.b64encode(TOKEN_C.encode()).decode()},
            json=body,
        )
        assert answer.json()["status_code"] == 1000, answer.text

    def told(self, method: str, module: str) -> list[tuple[dict[str, Any], int, Any]]:
        """What the mock was told of ``module``: the body, and the HTTP status and body it answered with."""
        return [
            (json.loads(request.body), status, answer)
            for request, status, answer in self.answers
            if request.method == method and f"/{module}" in request.target.split("?")[0]
        ]

    @property
    def token_b(self) -> str:
        """The token that the hub gave the mock in the registration, with which to call the hub."""
        ((credentials, status, _),) = self.told("POST", "credentials")
        assert status in (200, 201)
        token: str = credentials["token"]
        return token

    async def holds(self, module: str) -> list[dict[str, Any]]:
        """What the mock has in its store, as its own client reads it."""
        arguments = ("pull", module, f"http://{LOOPBACK}:{self._port}/versions", "--token", TOKEN_C)
        printed = await ocpi(*arguments, "--from", self._partner.replace("-", "/"))
        return objects_in(printed)


def objects_in(printed: str) -> list[dict[str, Any]]:
    """The JSON objects, or lists of them, that ``ocpi pull`` prints one after the other."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while (position := _skip_blank(printed, position)) < len(printed):
        value, position = decoder.raw_decode(printed, position)
        found.extend(value if isinstance(value, list) else [value])
    return found


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position
