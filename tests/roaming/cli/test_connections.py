"""``party add``, ``partner renew`` and ``partner leave`` between two hubs: what one types is known at the other."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from roaming.cli.running import everything
from roaming.model.identifiers import PartyId
from roaming.modules.credentials.service import register
from roaming.ocpi.credentials_token import new_token
from roaming.ocpi.module import Services
from roaming.ocpi.partner_call import call_to
from roaming.partners import registry
from roaming.settings import Settings
from tests.kit.server_process import free_port

CPO, EMSP, NEW = PartyId("NL", "HUB"), PartyId("DE", "EMS"), PartyId("NL", "NEW")


@dataclass
class Pair:
    """Two hubs: ``ours``, which commands work on, hosts the CPO NL-HUB and knows the other as ``them``."""

    ours: Services
    theirs: Services
    stop_theirs: AsyncExitStack

    async def roles_there(self) -> set[tuple[PartyId, str]]:
        """Our parties, as the other hub knows them."""
        return {(entry.party, entry.role) for entry in (await self.theirs.directory.current()).partners["us"].roles}


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    for name, value in {
        "SECRET": "5e" * 32,
        "IS_HTTP_ALLOWED": "true",
        "ALLOWED_NETWORKS": "127.0.0.0/8",
        "HAS_CONSOLE": "false",
        "IS_PULLING": "false",
    }.items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
    settings = [
        Settings(data_dir=tmp_path / name, port=free_port(), ocpp_port=free_port()) for name in ("ours", "theirs")
    ]
    monkeypatch.setenv("ROAMING_DATA_DIR", str(settings[0].data_dir))
    monkeypatch.setenv("ROAMING_PORT", str(settings[0].port))
    async with everything(settings[0]) as ours, AsyncExitStack() as stack:
        theirs = await stack.enter_async_context(everything(settings[1]))
        token_a = new_token()
        async with ours.database.work() as work:
            await registry.host_party(work, CPO, "CPO", name="Hub Charging")
            await registry.add_partner(work, id="them", name="The other hub")
            digest = ours.secrets.digest(token_a)
            await registry.allow_token(work, partner_id="them", digest=digest, is_registration=True)
        async with theirs.database.work() as work:
            await registry.host_party(work, EMSP, "EMSP", name="Home Mobility")
            await registry.add_partner(work, id="us", name="Hub")
        await register(theirs, "us", versions_url=f"{ours.public_url}/versions", token_a=token_a)
        yield Pair(ours, theirs, stack)


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def test_a_party_added_later_is_agreed_on_and_told(pair: Pair) -> None:
    before = (await pair.ours.directory.current()).partners["them"].sealed_token
    added = await roaming("party", "add", "nl*new", "--role", "cpo", "--name", "New Charging", "--json")
    assert added.exit_code == 0, added.output
    said = json.loads(added.stdout)
    assert (said["party"], said["role"]) == ("NL-NEW", "CPO")
    assert (said["agreements"], said["told"], said["not told"]) == (["DE-EMS (them)"], ["them"], [])
    assert await pair.roles_there() == {(CPO, "CPO"), (NEW, "CPO")}
    for services in (pair.ours, pair.theirs):
        assert (await services.directory.current()).may_exchange(cpo=NEW, emsp=EMSP)
    renewed = (await pair.ours.directory.current()).partners["them"]
    assert renewed.sealed_token != before
    there = (await pair.theirs.directory.current()).partners["us"]
    for services, partner in ((pair.ours, renewed), (pair.theirs, there)):
        answer = await services.client.request(call_to(services, partner, "GET", partner.versions_url))
        assert answer.is_delivered, f"the new tokens are good both ways: {answer.error or answer.message}"


async def test_an_agreement_that_was_ended_stays_so(pair: Pair) -> None:
    async with pair.ours.database.work() as work:
        await registry.agree(work, cpo=NEW, emsp=EMSP, is_active=False)
    added = await roaming("party", "add", "NL-NEW", "--role", "CPO", "--name", "New Charging", "--no-tell")
    assert "them: --no-tell" in added.stdout
    assert "roaming partner renew them" in added.stdout
    assert not (await pair.ours.directory.current()).may_exchange(cpo=NEW, emsp=EMSP)
    assert await pair.roles_there() == {(CPO, "CPO")}
    renewed = await roaming("partner", "renew", "them")
    assert renewed.exit_code == 0, renewed.output
    assert "asking" in renewed.stderr
    assert await pair.roles_there() == {(CPO, "CPO"), (NEW, "CPO")}


async def test_a_partner_that_is_away_is_told_later(pair: Pair) -> None:
    await pair.stop_theirs.aclose()
    added = await roaming("party", "add", "NL-NEW", "--role", "CPO", "--name", "New Charging")
    assert added.exit_code == 0, "the party is added nevertheless"
    assert "roaming partner renew them" in added.stdout
    renewed = await roaming("partner", "renew", "them")
    assert renewed.exit_code == 1
    assert "roaming partner check them" in renewed.stderr
    left = await roaming("partner", "leave", "them", "--yes", "--json")
    assert (left.exit_code, json.loads(left.stdout)["it answered"] == "ok") == (0, False)
    assert (await pair.ours.directory.current()).partners["them"].state == "SUSPENDED"


async def test_leaving_ends_it_on_both_sides(pair: Pair) -> None:
    kept = await asyncio.to_thread(CliRunner().invoke, app, ["partner", "leave", "them"], input="n\n")
    assert kept.exit_code == 1
    assert (await pair.ours.directory.current()).partners["them"].is_connected
    left = await roaming("partner", "leave", "them", "--yes", "--json")
    assert json.loads(left.stdout)["it answered"] == "ok"
    for services, partner in ((pair.ours, "them"), (pair.theirs, "us")):
        known = (await services.directory.current()).partners[partner]
        assert (known.state, known.sealed_token) == ("SUSPENDED", "")
    again = await roaming("partner", "renew", "them")
    assert (again.exit_code, "roaming partner add them" in again.stderr) == (1, True)
