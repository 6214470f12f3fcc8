"""A START_SESSION that comes twice within a minute is one command to the station; and one whose charge begins after all
when its eMSP was told TIMEOUT."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from contracts.messages import CommandAnswered, CommandRequested, Message, SessionEnded, SessionOpened
from contracts.vocabulary import CommandName, CommandOutcome
from roaming.modules.commands.projection import handle_answers, handle_sessions
from roaming.modules.commands.repeats import STARTS, tell_all
from roaming.ocpi.answering import time_out
from roaming.ocpi.asked import ASKED
from roaming.store.consume import Received as OffTheBus
from tests.kit import ocpi_bodies, outbox
from tests.kit.hub_in_process import RECEIVER, HubInProcess, hub_in_process
from tests.kit.speaking import envelope_of


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Two locations with a connected station each: CS-OURS and CS-OTHER."""
    async with hub_in_process(database_url, tmp_path) as running:
        for name in ("OURS", "OTHER"):
            await running.host_location(name)
            await running.host_station(f"CS-{name}", name)
        yield running


async def start(hub: HubInProcess, result: str, *, emsp: str = "AAA", at: str = "OURS", uid: str = "TOKEN1") -> None:
    """``result``: the end of the ``response_url``."""
    body = ocpi_bodies.start_session(
        f"DE-{emsp}",
        token=ocpi_bodies.token(f"DE-{emsp}", uid=uid),
        response_url=f"http://127.0.0.1:9/{result}",
        location_id=at,
        evse_uid=f"{at}-1",
    )
    answer = await hub.call(emsp.lower(), "POST", f"{RECEIVER}/commands/START_SESSION", body=body)
    assert answer.outcome == (200, 1000), answer.text
    assert answer.data["result"] == "ACCEPTED", answer.text


async def asked(hub: HubInProcess) -> list[CommandRequested]:
    return [message for _, message in await outbox.waiting(hub.services.database, CommandRequested)]


async def hear(hub: HubInProcess, message: Message) -> None:
    handle: Any = handle_answers
    if isinstance(message, SessionOpened | SessionEnded):
        handle = partial(handle_sessions, hub.services)
    async with hub.services.database.work() as work:
        await handle(work, [OffTheBus(envelope_of(message), message)])


async def answered(hub: HubInProcess, command: CommandRequested, outcome: CommandOutcome) -> None:
    station = {"network": command.network, "station_id": command.station_id, "name": command.name}
    await hear(hub, CommandAnswered(command_id=command.command_id, outcome=outcome, **station))  # type: ignore[arg-type]


async def time_passes(hub: HubInProcess, table: Any, column: str) -> None:
    """What ends at ``column`` is over."""
    async with hub.services.database.work() as work:
        past = work.now - timedelta(seconds=1)
        await work.connection.execute(update(table).values({column: past}))


async def told(hub: HubInProcess) -> dict[str, str]:
    """What is on its way to whom: the outcome by the end of the ``response_url``."""
    rows = await hub.services.database.reader.fetch(
        "SELECT response_url, outcome FROM outgoing JOIN commands ON commands.id = object_key"
        " WHERE outgoing.module = 'commands' ORDER BY outgoing.id"
    )
    found = [(url.rpartition("/")[2], outcome) for url, outcome in rows]
    assert len(dict(found)) == len(found), "told twice"
    return dict(found)


async def opened(hub: HubInProcess, command: CommandRequested, **other: str | None) -> SessionOpened:
    """The charge of a start, or an ``other`` one at its station."""
    async with hub.services.database.work() as work:
        now = work.now
    values: dict[str, Any] = {
        "session_id": "S1",
        "token_party_id": "AAA",
        "token_uid": "TOKEN1",
        "command_id": command.command_id,
        "transaction_id": "TX1",
    }
    message = SessionOpened(
        country_code="NL",
        party_id="HUB",
        token_country_code="DE",
        started_at=now,
        network=command.network,
        station_id=command.station_id,
        **values | other,
    )
    await hear(hub, message)
    return message


async def test_the_second_start_gets_the_result_of_the_first(hub: HubInProcess) -> None:
    await start(hub, "first")
    await start(hub, "second", uid="token1")
    (command,) = await asked(hub)
    assert await told(hub) == {}
    await answered(hub, command, CommandOutcome.ACCEPTED)
    assert await told(hub) == {"first": "ACCEPTED", "second": "ACCEPTED"}
    await start(hub, "third")
    assert (await told(hub))["third"] == "ACCEPTED", "known already"
    assert len(await asked(hub)) == 1


async def test_two_at_once_are_one_command(hub: HubInProcess) -> None:
    await asyncio.gather(*(start(hub, f"{number}") for number in range(8)))
    (command,) = await asked(hub)
    await answered(hub, command, CommandOutcome.ACCEPTED)
    assert await told(hub) == {f"{number}": "ACCEPTED" for number in range(8)}


async def test_the_same_request_once_more_is_told_once(hub: HubInProcess) -> None:
    await start(hub, "first")
    await start(hub, "first")
    (command,) = await asked(hub)
    await answered(hub, command, CommandOutcome.ACCEPTED)
    await start(hub, "first")
    assert await told(hub) == {"first": "ACCEPTED"}


@pytest.mark.parametrize("other", [{"at": "OTHER"}, {"uid": "TOKEN2"}, {"emsp": "BBB"}])
async def test_another_driver_or_evse_is_another_start(hub: HubInProcess, other: dict[str, str]) -> None:
    await start(hub, "first")
    await start(hub, "second", **other)
    assert len(await asked(hub)) == 2


async def test_what_the_station_refused_may_be_tried_again(hub: HubInProcess) -> None:
    await start(hub, "first")
    (command,) = await asked(hub)
    await answered(hub, command, CommandOutcome.REJECTED)
    await start(hub, "second")
    await start(hub, "third")
    _, again = await asked(hub)
    await answered(hub, again, CommandOutcome.ACCEPTED)
    assert await told(hub) == {"first": "REJECTED", "second": "ACCEPTED", "third": "ACCEPTED"}


async def test_silence_of_the_station_is_no_leave_to_ask_it_twice(hub: HubInProcess) -> None:
    await start(hub, "first")
    await start(hub, "second")
    await time_passes(hub, ASKED, "deadline")
    await time_out(hub.services, module="commands", ended=tell_all)
    await start(hub, "third")
    assert await told(hub) == dict.fromkeys(("first", "second", "third"), "TIMEOUT")
    assert len(await asked(hub)) == 1


async def test_after_a_minute_a_start_is_a_new_one(hub: HubInProcess) -> None:
    await start(hub, "first")
    await time_passes(hub, STARTS, "until")
    await start(hub, "second")
    assert len(await asked(hub)) == 2


@pytest.mark.parametrize("is_stopped_by_its_emsp", [True, False])
@pytest.mark.parametrize("has_begun", [True, False])
async def test_the_end_of_another_charge_at_the_station_makes_no_start_a_new_one(
    hub: HubInProcess, has_begun: bool, is_stopped_by_its_emsp: bool
) -> None:
    await start(hub, "first")
    (command,) = await asked(hub)
    await answered(hub, command, CommandOutcome.ACCEPTED)
    if has_begun:
        await opened(hub, command)
    other = await opened(
        hub, command, session_id="S2", token_party_id="BBB", token_uid="T2", command_id=None, transaction_id="TX2"
    )
    await end(hub, other, is_stopped_by_its_emsp=is_stopped_by_its_emsp)
    await start(hub, "second")
    starts = [message for message in await asked(hub) if message.name == CommandName.START_CHARGING]
    assert len(starts) == 1


async def end(hub: HubInProcess, session: SessionOpened, *, is_stopped_by_its_emsp: bool) -> None:
    id = session.session_id
    if is_stopped_by_its_emsp:
        body, emsp = ocpi_bodies.stop_session(session_id=id), session.token_party_id.lower()
        assert (await hub.call(emsp, "POST", f"{RECEIVER}/commands/STOP_SESSION", body=body)).data[
            "result"
        ] == "ACCEPTED"
    else:
        await hear(hub, SessionEnded(country_code="NL", party_id="HUB", session_id=id, ended_at=session.started_at))


@pytest.mark.parametrize("is_stopped_by_its_emsp", [True, False])
async def test_after_the_charge_has_ended_a_start_is_a_new_one(hub: HubInProcess, is_stopped_by_its_emsp: bool) -> None:
    await start(hub, "first")
    (command,) = await asked(hub)
    await answered(hub, command, CommandOutcome.ACCEPTED)
    session = await opened(hub, command)
    await end(hub, session, is_stopped_by_its_emsp=is_stopped_by_its_emsp)
    await start(hub, "second")
    starts = [message for message in await asked(hub) if message.name == CommandName.START_CHARGING]
    assert len(starts) == 2


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_a_charge_that_begins_after_timeout_is_shown_or_stopped(hub: HubInProcess, is_stopped: bool) -> None:
    hub.services = replace(hub.services, is_late_start_stopped=is_stopped)
    await start(hub, "first")
    (command,) = await asked(hub)
    await time_passes(hub, ASKED, "deadline")
    await time_out(hub.services, module="commands", ended=tell_all)
    await answered(hub, command, CommandOutcome.ACCEPTED)
    assert await told(hub) == {"first": "TIMEOUT"}, "the first word counts"
    await opened(hub, command)
    stops = [message for message in await asked(hub) if message.name == CommandName.STOP_CHARGING]
    assert [stop.transaction_id for stop in stops] == (["TX1"] if is_stopped else [])


async def test_a_charge_that_begins_in_time_is_never_stopped(hub: HubInProcess) -> None:
    hub.services = replace(hub.services, is_late_start_stopped=True)
    await start(hub, "first")
    (command,) = await asked(hub)
    await answered(hub, command, CommandOutcome.ACCEPTED)
    await opened(hub, command)
    assert len(await asked(hub)) == 1
