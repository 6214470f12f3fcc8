"""Every module's client side in each version: a partner on a real socket gets and gives what its version says."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.messages import CommandAnswered, CommandRequested
from contracts.vocabulary import CommandOutcome
from roaming.hub.pulling.puller import Puller
from roaming.model.command import CommandType, StopSession
from roaming.model.identifiers import PartyId
from roaming.model.session import Session
from roaming.model.version import Version
from roaming.modules.cdrs import service as cdrs
from roaming.modules.commands.sending import send
from roaming.modules.sessions import service as sessions
from roaming.modules.tokens import service as tokens
from roaming.ocpi import sent
from roaming.ocpi.outgoing import tell
from roaming.ocpi.pulling import PullPace
from roaming.store.documents import object_key, read_object
from tests.kit import ocpi_bodies, outbox
from tests.kit.answering_partner import AnsweringPartner, answering_partner, delivering, hear
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import ListingPartner, listen_at, stored
from tests.kit.ocpi_speech import ALL, Speech
from tests.kit.scripted_partner import ScriptedPartner
from tests.kit.wait import until

HUB, HOME, CPO = PartyId("NL", "HUB"), PartyId("DE", "HME"), PartyId("FR", "CPO")
FAST = PullPace(requests_per_second=10_000, first_delay=timedelta(0))


@pytest.fixture(params=ALL)
async def hub(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Everybody speaks the version, and the driver of the bodies is one of DE-HME."""
    async with hub_in_process(sqlite_url, tmp_path, version=request.param, offered_versions=ALL) as running:
        async with running.services.database.work() as work:
            await tokens.publish(work, tokens.CODECS[Version.V2_2_1].decode(ocpi_bodies.token("DE-HME")).value)
        yield running


@pytest.fixture
def speech(hub: HubInProcess) -> Speech:
    return hub.speech


async def pulled(hub: HubInProcess, module: str, partner_id: str, *bodies: dict[str, Any]) -> list[str]:
    """Object ids that are stored once the partner's list of ``bodies`` was read."""
    services = replace(hub.services, pulling=FAST)
    async with ScriptedPartner(ListingPartner({module: list(bodies)})) as listening:
        await listen_at(hub, partner_id, listening.url, (module,), version=hub.speech.version)
        puller = Puller(services, services.modules)
        await puller.look_at_directory()
        await puller.pull_next(partner_id, modules=[module])
    return sorted(await stored(hub, module, partner_id))


@pytest.mark.ocpi_cell("locations", "$hub", "sender", "client")
async def test_locations_are_pulled(hub: HubInProcess, speech: Speech) -> None:
    bodies = [speech.location(id=id) for id in "ABC"]
    assert await pulled(hub, "locations", "cpo", *bodies) == ["A", "B", "C"]


@pytest.mark.ocpi_cell("tariffs", "$hub", "sender", "client")
async def test_tariffs_are_pulled(hub: HubInProcess, speech: Speech) -> None:
    assert await pulled(hub, "tariffs", "cpo", *[speech.tariff(id=id) for id in "ABC"]) == ["A", "B", "C"]


@pytest.mark.ocpi_cell("tokens", "$hub", "sender", "client")
async def test_tokens_are_pulled(hub: HubInProcess, speech: Speech) -> None:
    assert await pulled(hub, "tokens", "aaa", *[speech.token(uid=uid) for uid in "ABC"]) == ["A", "B", "C"]


@pytest.mark.ocpi_cell("sessions", "$hub", "sender", "client")
async def test_sessions_are_pulled(hub: HubInProcess, speech: Speech) -> None:
    assert await pulled(hub, "sessions", "cpo", *[speech.session(id=id) for id in "ABC"]) == ["A", "B", "C"]


@pytest.mark.ocpi_cell("cdrs", "$hub", "sender", "client")
async def test_cdrs_are_pulled(hub: HubInProcess, speech: Speech) -> None:
    assert await pulled(hub, "cdrs", "cpo", *[speech.cdr(id=id) for id in "ABC"]) == ["A", "B", "C"]


@pytest.fixture
async def emsp(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    """DE-AAA, which listens."""
    async with answering_partner(hub, "aaa", "DE-AAA", "EMSP") as listening, delivering(hub):
        yield listening


@pytest.fixture
async def cpo(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    """FR-CPO, which listens."""
    async with answering_partner(hub, "cpo", "FR-CPO", "CPO") as listening, delivering(hub):
        yield listening


@pytest.mark.ocpi_cell("locations", "$hub", "receiver", "client")
@pytest.mark.ocpi_cell("tariffs", "$hub", "receiver", "client")
async def test_ours_are_pushed_to_an_emsp(hub: HubInProcess, speech: Speech, emsp: AnsweringPartner) -> None:
    await hub.host_objects()
    for module in ("locations", "tariffs"):
        address = f"/{speech.version}/receiver/{module}/NL/HUB/OURS"
        (told,) = await until(lambda end=address: emsp.of("PUT", end))  # type: ignore[misc, attr-defined]
        body: dict[str, Any] = getattr(speech, module[:-1])("NL-HUB", id="OURS")
        assert set(told.body) == set(body), module
        assert ("ocpi-to-party-id" in told.headers) == (speech.version != "2.1.1")


@pytest.mark.ocpi_cell("tokens", "$hub", "receiver", "client")
async def test_our_tokens_are_pushed_to_a_cpo(hub: HubInProcess, speech: Speech, cpo: AnsweringPartner) -> None:
    await hub.host_objects()
    (told,) = await until(lambda: cpo.of("PUT", f"/{speech.version}/receiver/tokens/DE/HME/HOME1"))  # type: ignore[misc]
    assert set(told.body) == set(speech.token("DE-HME"))


@pytest.mark.ocpi_cell("sessions", "$hub", "receiver", "client")
@pytest.mark.ocpi_cell("cdrs", "$hub", "receiver", "client")
async def test_a_charge_is_told_to_its_drivers_emsp(hub: HubInProcess, speech: Speech, emsp: AnsweringPartner) -> None:
    await hub.host_objects()
    key = object_key(HUB, "OURS-AAA")
    async with hub.services.database.work() as work:
        session = await read_object(work.connection, "sessions", key, Session)
        assert session is not None
        await tell(work, [sessions.outgoing_of(session, key, "")])
        cdr = cdrs.CODECS[Version.V2_2_1].decode(ocpi_bodies.cdr("NL-HUB", id="OURS-AAA")).value
        await tell(work, [cdrs.outgoing_of(cdr, key, key, "")])
    (issued,) = await until(lambda: emsp.of("POST", f"/{speech.version}/receiver/cdrs"))  # type: ignore[misc]
    (told,) = emsp.of("PUT", f"/{speech.version}/receiver/sessions/NL/HUB/OURS-AAA")
    assert set(told.body) == set(speech.session("NL-HUB"))
    assert set(issued.body) == set(speech.cdr("NL-HUB"))


@pytest.mark.ocpi_cell("commands", "$hub", "receiver", "client")
@pytest.mark.ocpi_cell("commands", "$hub", "sender", "server")
async def test_a_command_of_ours_and_its_result(hub: HubInProcess, speech: Speech, cpo: AnsweringPartner) -> None:
    said = {"result": "ACCEPTED"} if speech.version == "2.1.1" else {"result": "ACCEPTED", "timeout": 30}
    cpo.answers["commands/STOP_SESSION"] = said
    partner = (await hub.services.directory.current()).partners["cpo"]
    command = StopSession(response_url="", session_id="S1")
    asked = await send(hub.services, partner, CommandType.STOP_SESSION, command, emsp=HOME, cpo=CPO)
    assert asked.response == "ACCEPTED"
    (told,) = cpo.of("POST", f"/{speech.version}/receiver/commands/STOP_SESSION")
    assert told.body["session_id"] == "S1"
    answer = await hub.call("cpo", "POST", told.body["response_url"], body={"result": "ACCEPTED"})
    assert answer.outcome == (200, 1000)
    async with hub.services.database.reading() as connection:
        kept = await sent.find(connection, asked.id)
    assert kept is not None
    assert kept.result == "ACCEPTED"


@pytest.mark.ocpi_cell("commands", "$hub", "sender", "client")
async def test_the_result_of_a_partners_command(hub: HubInProcess, speech: Speech, emsp: AnsweringPartner) -> None:
    await hub.host_location("OURS")
    await hub.host_station("CS-1", "OURS")
    back = f"{emsp.url}/results/1"
    body = speech.start_session(location_id="OURS", evse_uid="OURS-1", response_url=back)
    said = await hub.call("aaa", "POST", f"{speech.receiver('commands')}/START_SESSION", body=body)
    assert said.data["result"] == "ACCEPTED", said.text
    ((_, asked),) = await outbox.waiting(hub.services.database, CommandRequested)
    station = {"network": asked.network, "station_id": asked.station_id, "name": asked.name}
    await hear(hub, CommandAnswered(command_id=asked.command_id, outcome=CommandOutcome.ACCEPTED, **station))  # type: ignore[arg-type]
    (told,) = await until(lambda: emsp.of("POST", "/results/1"))  # type: ignore[misc]
    assert told.body["result"] == "ACCEPTED"
