"""A charge, a registration and refusals, with every logger at DEBUG: no credentials token, password or token uid stands
in what was logged, nor in what the commands print."""

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from roaming.cli.commands import app
from roaming.cli.logs import configure_logging
from roaming.cli.running import everything
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.modules.tokens import service as tokens
from roaming.ocpi.module import Services
from roaming.partners import registry
from roaming.settings import Settings
from roaming.stations.bindings import Binding, bind
from tests.kit import ocpi_bodies as bodies
from tests.kit.hub_in_process import decoded
from tests.kit.kept_logging import kept_logging
from tests.kit.raw_station import CallFailed, RawStation
from tests.kit.scripted_partner import ScriptedPartner, always, enveloped, http_answer
from tests.kit.server_process import free_port
from tests.kit.wait import until

CPO, EMSP, THEIRS = PartyId("NL", "HUB"), PartyId("DE", "HME"), PartyId("DE", "AAA")
PASSWORD, GUESS = "station-password-secret-77", "guessed-token-secret-55"
TOKEN_A, TOKEN_B, TOKEN_C = "token-a-secret-99", "token-b-secret-88", "token-c-secret-66"
HOSTED, PUSHED, ASKED, UNKNOWN = "04HOSTED00AA01", "04PUSHED00BB02", "04ASKED000CC03", "04UNKNOWN0DD04"
SECRETS = (PASSWORD, GUESS, TOKEN_A, TOKEN_B, TOKEN_C, HOSTED, PUSHED, ASKED, UNKNOWN)
OF_THE_TEST = ("websockets.client", "httpx")
"""Loggers of what only the test uses: its station and its partner."""


def encoded(token: str) -> str:
    return base64.b64encode(token.encode()).decode()


async def fill(services: Services) -> None:
    async with services.database.work() as work:
        await registry.host_party(work, CPO, Role.CPO, name="Hub Charging")
        await registry.host_party(work, EMSP, Role.EMSP, name="Home")
        await registry.agree(work, cpo=CPO, emsp=EMSP)
        await tokens.publish(work, decoded(tokens.CODECS, bodies.token("DE-HME", uid=HOSTED, whitelist="ALWAYS")))
        await bind(work, [_binding()], has_no_key=True)
        await registry.add_partner(work, id="aaa", name="aaa", allowed_parties=[THEIRS], counterpart=CPO)
        digest = services.secrets.digest(TOKEN_A)
        await registry.allow_token(work, partner_id="aaa", digest=digest, is_registration=True)


def _binding() -> Binding:
    return Binding(
        network="main",
        station_id="CS-1",
        connector_id=1,
        party=CPO,
        location_id="PIER",
        evse_uid="CS-1",
        evse_connector_id="1",
    )


async def charge(port: int) -> None:
    """A station with drivers that are known and one that is not."""
    station = await RawStation.dial(f"ws://127.0.0.1:{port}/", "CS-1", password=PASSWORD)

    async def is_accepted() -> bool:
        return (await station.boot())["status"] == "Accepted"

    await until(is_accepted, seconds=30, every=0.1)
    for uid in (HOSTED, UNKNOWN):
        await station.call("Authorize", {"idTag": uid}, seconds=20)
    start = {"connectorId": 1, "idTag": HOSTED, "meterStart": 0, "timestamp": "2026-11-29T03:00:00Z"}
    number = (await station.call("StartTransaction", start, seconds=20))["transactionId"]
    stop = {"transactionId": number, "idTag": HOSTED, "meterStop": 900, "timestamp": "2026-11-29T03:30:00Z"}
    await station.call("StopTransaction", stop, seconds=20)
    with suppress(CallFailed):
        await station.call("Authorize", {"idTag": HOSTED, "more": [1]})
    await station.close()


async def partner_calls(url: str, partner: ScriptedPartner) -> None:
    """A registration, what a partner sends then, and what is refused."""
    async with httpx.AsyncClient(base_url=f"{url}/ocpi", trust_env=False) as client:

        async def call(token: str, method: str, path: str, body: Any = None) -> Any:
            headers = {"Authorization": f"Token {encoded(token)}"}
            return (await client.request(method, path, headers=headers, json=body)).json()

        await call(GUESS, "GET", "/versions")
        theirs = bodies.credentials("DE-AAA", f"{partner.url}/versions", token=TOKEN_B)
        answer = await call(TOKEN_A, "POST", "/2.2.1/credentials", theirs)
        assert answer["status_code"] == 1000, answer
        token = answer["data"]["token"]
        issued.append(token)
        at = f"/2.2.1/receiver/tokens/DE/AAA/{PUSHED}"
        pushed = await call(token, "PUT", at, bodies.token("DE-AAA", uid=PUSHED))
        assert pushed["status_code"] == 1000, pushed
        await call(token, "PUT", at, bodies.token("DE-AAA", uid=PUSHED, type=None))
        await call(token, "GET", at)
        await call(token, "POST", f"/2.2.1/sender/tokens/{ASKED}/authorize")
        command = bodies.start_session("DE-AAA", token=bodies.token("DE-AAA", uid=ASKED))
        await call(token, "POST", "/2.2.1/receiver/commands/START_SESSION", command)
        await call(token, "PUT", "/2.2.1/credentials", theirs | {"token": TOKEN_C, "url": "http://127.0.0.1:9/x"})


issued: list[str] = []
"""Tokens that the hub gave away."""


def answers(port_of: list[int]) -> Any:
    async def script(request: Any, writer: asyncio.StreamWriter) -> None:
        url = f"http://127.0.0.1:{port_of[0]}"
        if request.target == "/versions":
            data: Any = [{"version": "2.2.1", "url": f"{url}/2.2.1"}]
        elif request.target == "/2.2.1":
            endpoints = [
                {"identifier": module, "role": role, "url": f"{url}/{module}"}
                for module in ("credentials", "tokens", "locations", "sessions", "cdrs", "commands")
                for role in ("SENDER", "RECEIVER")
            ]
            data = {"version": "2.2.1", "endpoints": endpoints}
        elif "authorize" in request.target:
            await always(http_answer(b"<html>", status="500 Internal Server Error"))(request, writer)
            return
        else:
            data = []
        await always(http_answer(enveloped(data)))(request, writer)

    return script


FILLED = {"partner_id": "aaa", "partner": "aaa", "target": "aaa", "station": "CS-1", "station_id": "CS-1"}
FILLED |= {"cpo": "NL-HUB", "emsp": "DE-AAA", "party": "NL-HUB", "issuer": "NL-HUB", "to": "DE-AAA", "month": "2026-11"}
FILLED |= {"one": "NL-HUB", "other": "DE-AAA", "location": "PIER", "role": "CPO", "kind": "locations", "effect": "deny"}
FILLED |= {"module": "tokens", "what": "PIER", "limit": "16", "accept": "yes"}
SERVING = {"demo", "serve", "start", "work", "sim"}
"""Commands that end only when they are told to: ``everything`` is what they run."""
OF_TOKENS = {("token", "list"), ("token", "import")}
LATER = ("partner leave", "operator remove", "group remove", "agreement end")
"""After all others: they take away what others tell of."""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All of them, with what leads to each."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        elif (*path, name)[0] not in SERVING:
            yield (*path, name), command


def words_of(path: tuple[str, ...], command: Any, file: Path) -> list[str]:
    """The command with all that it requires, and as much detail as it gives."""
    given = list(path)
    for parameter in command.params:
        value = str(file) if parameter.name == "file" else FILLED.get(parameter.name, "x")
        if parameter.param_type_name == "argument" and parameter.required:
            given.append(value)
        elif parameter.required and not parameter.is_flag:
            given += [parameter.opts[0], value]
        elif "--json" in parameter.opts:
            given.append("--json")
    return given


def printed(settings: Settings) -> list[str]:
    """What every command says of all this, or of a file with secrets in it. ``token list`` and ``token import`` name
    tokens by their uid, as they are asked to: that is left out, and nothing else of theirs."""
    environment = {"ROAMING_DATA_DIR": str(settings.data_dir), "ROAMING_SECRET": settings.secret}
    file = settings.data_dir / "given.json"
    file.write_text(json.dumps([{"uid": HOSTED, "token": TOKEN_C, "password": PASSWORD}]))
    found = []
    for path, command in sorted(commands(get_command(app)), key=lambda each: " ".join(each[0]) in LATER):
        done = CliRunner().invoke(app, words_of(path, command, file), env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), (path, done.exception)
        output = done.output
        for uid in (HOSTED, PUSHED) if path in OF_TOKENS else ():
            output = output.replace(uid, "***")
        found += [f"{' '.join(path)}: {line}" for line in output.splitlines()]
    assert {line.partition(":")[0] for line in found} >= {"token list", "partner show", "station show", "cdr list"}
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_secret_and_no_uid_is_logged_or_printed(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    issued.clear()
    caplog.set_level(logging.DEBUG)
    settings = Settings(
        data_dir=tmp_path,
        port=free_port(),
        ocpp_port=free_port(),
        secret="00" * 32,
        allowed_networks=("127.0.0.0/8",),
        is_http_allowed=True,
    )
    port_of: list[int] = []
    with kept_logging():
        configure_logging("DEBUG")
        async with ScriptedPartner(answers(port_of)) as partner:
            port_of.append(partner.port)
            async with everything(settings) as services:
                await fill(services)
                await partner_calls(f"http://127.0.0.1:{settings.port}", partner)
                await charge(settings.ocpp_port)
                await services.journal.flush()
                rows = await services.database.reader.fetch("SELECT * FROM journal")
    out, err = capfd.readouterr()
    logged = [
        f"{record.name}: {record.getMessage()} {record.exc_text or ''}"
        for record in caplog.records
        if not record.name.startswith(OF_THE_TEST)
    ]
    monkeypatch.chdir(tmp_path)  # some commands write where they are told to
    logged += await asyncio.to_thread(printed, settings)
    lines = [*logged, *out.splitlines(), *err.splitlines()]
    assert len(issued) == 1
    assert any(HOSTED in record.getMessage() for record in caplog.records), "the test's own station logs its frames"
    tokens_ = (GUESS, TOKEN_A, TOKEN_B, TOKEN_C, *issued)
    for secret in (*SECRETS, *issued, *map(encoded, tokens_)):
        assert [line[:300] for line in lines if secret in line] == [], secret
    kept = json.dumps([list(map(str, row)) for row in rows])
    for secret in (*tokens_, *map(encoded, tokens_), PASSWORD):
        assert secret not in kept, f"{secret} is in the journal"
