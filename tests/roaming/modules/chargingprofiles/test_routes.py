"""A partner limits a charge at a station of ours: its wish, the station's word, and who hears of what holds now."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from contracts.messages import (
    ChargingLimit,
    ChargingSchedule,
    CommandAnswered,
    CommandRequested,
    SessionEnded,
    SessionOpened,
)
from contracts.vocabulary import ChargingRateUnit, CommandName, CommandOutcome
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.modules.chargingprofiles import service
from roaming.modules.chargingprofiles.projection import ended
from roaming.ocpi.answering import time_out
from roaming.partners import registry
from tests.kit import outbox
from tests.kit.answering_partner import AnsweringPartner, answering_partner, delivering, hear
from tests.kit.hub_in_process import Answer, HubInProcess, hub_in_process
from tests.kit.ruling import a_rule, rule
from tests.kit.wait import until

VERSIONS = ("2.2.1", "2.3.0")
OURS = "chargingprofiles/OURS-BBB"
STARTS = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
PROFILE = {
    "start_date_time": "2026-11-28T20:00:00Z",
    "duration": 3600,
    "charging_rate_unit": "A",
    "min_charging_rate": 6.5,
    "charging_profile_period": [{"start_period": 0, "limit": 16}, {"start_period": 900, "limit": 10.5}],
}
HOLDS = ChargingSchedule(
    unit=ChargingRateUnit.A,
    limits=(
        ChargingLimit(starts_after=0, limit=Decimal(16)),
        ChargingLimit(starts_after=900, limit=Decimal("10.5")),
    ),
    starts_at=STARTS,
    duration=3600,
    min_rate=Decimal("6.5"),
)


@pytest.fixture(params=VERSIONS)
async def hub(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """A driver of DE-AAA charges at CS-1 (session OURS-AAA, transaction 7), one of DE-BBB at CS-2 (OURS-BBB)."""
    async with hub_in_process(sqlite_url, tmp_path, version=request.param) as running:
        await running.host_objects()
        for number, emsp in ((1, "AAA"), (2, "BBB")):
            await running.host_station(f"CS-{number}", "OURS")
            opened = SessionOpened(
                country_code="NL",
                party_id="HUB",
                session_id=f"OURS-{emsp}",
                token_country_code="DE",
                token_party_id=emsp,
                token_uid=f"CARD-{emsp}",
                started_at=STARTS,
                network="main",
                station_id=f"CS-{number}",
                transaction_id="7",
            )
            await hear(running, opened)
        yield running


@pytest.fixture
async def partner(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    """DE-BBB, which listens."""
    async with answering_partner(hub, "bbb", "DE-BBB", "EMSP") as listening, delivering(hub):
        yield listening


def at(hub: HubInProcess, session_id: str = "OURS-AAA") -> str:
    return f"{hub.speech.receiver('chargingprofiles')}/{session_id}"


def back(hub: HubInProcess, url: str = "http://127.0.0.1:9") -> str:
    return f"{url}/{hub.speech.version}/sender/chargingprofiles/r/1"


async def put(hub: HubInProcess, who: str = "aaa", session_id: str = "OURS-AAA", **changes: Any) -> Answer:
    body = {"charging_profile": PROFILE, "response_url": back(hub)} | changes
    return await hub.call(who, "PUT", at(hub, session_id), body=body)


async def get(hub: HubInProcess, who: str, session_id: str, query: str) -> Answer:
    return await hub.call(who, "GET", f"{at(hub, session_id)}?{query}")


async def asked(hub: HubInProcess) -> list[CommandRequested]:
    """What stations were asked, in order."""
    return [message for _, message in await outbox.waiting(hub.services.database, CommandRequested)]


async def answer(
    hub: HubInProcess,
    command: CommandRequested,
    outcome: CommandOutcome = CommandOutcome.ACCEPTED,
    schedule: ChargingSchedule | None = None,
) -> None:
    """The station's word."""
    message = CommandAnswered(
        command_id=command.command_id,
        network=command.network,
        station_id=command.station_id,
        name=command.name,
        outcome=outcome,
        schedule=schedule,
    )
    await hear(hub, message)


@pytest.mark.ocpi_cell("chargingprofiles", "$hub", "receiver", "server")
@pytest.mark.ocpi_cell("chargingprofiles", "$hub", "sender", "client")
async def test_a_profile_is_set_and_what_holds_then_is_told(hub: HubInProcess, partner: AnsweringPartner) -> None:
    said = await put(hub, "bbb", "OURS-BBB", response_url=back(hub, partner.url))
    assert said.outcome == (200, 1000), said.text
    assert said.data == {"result": "ACCEPTED", "timeout": 30}
    (command,) = await asked(hub)
    assert (command.name, command.station_id, command.transaction_id) == (
        CommandName.SET_CHARGING_PROFILE,
        "CS-2",
        "7",
    )
    assert command.schedule == HOLDS
    await answer(hub, command)
    (told,) = await until(lambda: partner.of("POST"))
    assert told.path == back(hub, "")
    assert told.body == {"result": "ACCEPTED"}, "bare, as the specification has it"
    question = (await asked(hub))[-1]
    assert question.name is CommandName.GET_COMPOSITE_SCHEDULE
    assert not partner.of("PUT", OURS)
    await answer(hub, question, schedule=HOLDS)
    (changed,) = await until(lambda: partner.of("PUT", OURS))
    assert changed.path == f"/{hub.speech.version}/sender/chargingprofiles/OURS-BBB"
    assert changed.body == {"start_date_time": PROFILE["start_date_time"], "charging_profile": PROFILE}
    assert changed.headers["ocpi-to-party-id"] == "BBB"


@pytest.mark.ocpi_cell("chargingprofiles", "$hub", "receiver", "server")
@pytest.mark.ocpi_cell("chargingprofiles", "$hub", "sender", "client")
async def test_which_profile_holds(hub: HubInProcess, partner: AnsweringPartner) -> None:
    query = f"duration=900&response_url={quote(back(hub, partner.url), safe='')}"
    assert (await get(hub, "bbb", "OURS-BBB", query)).data["result"] == "ACCEPTED"
    (command,) = await asked(hub)
    assert (command.name, command.schedule_duration) == (CommandName.GET_COMPOSITE_SCHEDULE, 900)
    await answer(hub, command, schedule=HOLDS)
    (told,) = await until(lambda: partner.of("POST"))
    active = {"start_date_time": PROFILE["start_date_time"], "charging_profile": PROFILE}
    assert told.body == {"result": "ACCEPTED", "profile": active}
    assert len(await asked(hub)) == 1, "who only asks hears of no changes"


@pytest.mark.ocpi_cell("chargingprofiles", "$hub", "receiver", "server")
@pytest.mark.ocpi_cell("chargingprofiles", "$hub", "sender", "client")
async def test_clearing_tells_the_most_that_the_connector_gives(hub: HubInProcess, partner: AnsweringPartner) -> None:
    await put(hub, "bbb", "OURS-BBB", response_url=back(hub, partner.url))
    await answer(hub, (await asked(hub))[-1])
    url = quote(back(hub, partner.url), safe="")
    assert (await hub.call("bbb", "DELETE", f"{at(hub, 'OURS-BBB')}?response_url={url}")).code == 1000
    command = (await asked(hub))[-1]
    assert command.name is CommandName.CLEAR_CHARGING_PROFILE
    await answer(hub, command)
    await until(lambda: len(partner.of("POST")) == 2)
    await answer(hub, (await asked(hub))[-1], CommandOutcome.FAILED)
    (changed,) = await until(lambda: partner.of("PUT", OURS))
    assert changed.body["charging_profile"]["charging_rate_unit"] == "A"
    assert changed.body["charging_profile"]["charging_profile_period"] == [{"start_period": 0, "limit": 32}]


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(CommandOutcome.REJECTED, "REJECTED"), (CommandOutcome.UNKNOWN_PROFILE, "UNKNOWN")],
)
async def test_what_the_station_refused_has_changed_nothing(
    hub: HubInProcess, partner: AnsweringPartner, outcome: CommandOutcome, word: str
) -> None:
    url = quote(back(hub, partner.url), safe="")
    await hub.call("bbb", "DELETE", f"{at(hub, 'OURS-BBB')}?response_url={url}")
    (command,) = await asked(hub)
    await answer(hub, command, outcome)
    await answer(hub, command, CommandOutcome.ACCEPTED)
    (told,) = await until(lambda: partner.of("POST"))
    assert told.body == {"result": word}
    assert len(await asked(hub)) == 1


async def test_a_silent_station_is_a_refusal(hub: HubInProcess, partner: AnsweringPartner) -> None:
    await put(hub, "bbb", "OURS-BBB", response_url=back(hub, partner.url))
    async with hub.services.database.work() as work:
        await work.connection.exec_driver_sql("UPDATE commands SET deadline = '2020-01-01T00:00:00.000000Z'")
    assert await time_out(hub.services, module="commands", ended=ended) == 0, "not a command of that module"
    assert await time_out(hub.services, module="chargingprofiles", ended=ended) == 1
    (told,) = await until(lambda: partner.of("POST"))
    assert told.body == {"result": "REJECTED"}


async def test_a_session_that_is_over_is_unknown(hub: HubInProcess) -> None:
    over = SessionEnded(country_code="NL", party_id="HUB", session_id="OURS-AAA", ended_at=STARTS + timedelta(hours=1))
    await hear(hub, over, only=("commands", "chargingprofiles"))
    assert (await put(hub)).data["result"] == "UNKNOWN_SESSION"


async def test_anothers_session_is_as_unknown_as_none(hub: HubInProcess) -> None:
    of_another, of_nobody = await put(hub, session_id="OURS-BBB"), await put(hub, session_id="NONE")
    assert of_another.data == of_nobody.data == {"result": "UNKNOWN_SESSION", "timeout": 30}
    assert of_another.outcome == of_nobody.outcome == (200, 1000)
    assert await asked(hub) == []


async def test_who_charges_smartly_for_others_needs_an_agreement(hub: HubInProcess) -> None:
    await hub.connect("smart", "DE-SCS", "SCSP", more_modules=("chargingprofiles",))
    assert (await put(hub, "smart")).data["result"] == "UNKNOWN_SESSION"
    async with hub.services.database.work() as work:
        await registry.agree(work, cpo=PartyId("NL", "HUB"), emsp=PartyId("DE", "SCS"))
    assert (await put(hub, "smart")).data["result"] == "ACCEPTED"
    await rule(hub.services.database, [a_rule("deny", "tokens", "NL-HUB", partner="aaa")])
    assert (await put(hub, "smart")).data["result"] == "UNKNOWN_SESSION", "by the driver's eMSP"


async def test_rules_of_the_place_where_the_session_is_decide(hub: HubInProcess) -> None:
    for place, result in ((("OURS", "OURS-1"), "UNKNOWN_SESSION"), (("ELSEWHERE", ""), "ACCEPTED")):
        for kind in ("commands", "tokens"):
            await rule(hub.services.database, [a_rule("deny", kind, "NL-HUB", *place)])
            assert (await put(hub)).data["result"] == result, (kind, place)


async def test_who_charges_smartly_names_sessions_as_we_do(hub: HubInProcess) -> None:
    """The address names no owner (ocpi/ocpi#405): the ids are of the hub's own making, and one leads to one charge."""
    await hub.connect("smart", "DE-SCS", "SCSP", more_modules=("chargingprofiles",))
    other = PartyId("NL", "TWO")
    async with hub.services.database.work() as work:
        await registry.host_party(work, other, Role.CPO, name="Another operator")
        for cpo in (PartyId("NL", "HUB"), other):
            await registry.agree(work, cpo=cpo, emsp=PartyId("DE", "SCS"))
    assert (await put(hub, "smart", "OURS-AAA")).data["result"] == "ACCEPTED"
    assert (await put(hub, "smart", "OURS-BBB")).data["result"] == "ACCEPTED"
    assert [command.station_id for command in await asked(hub)] == ["CS-1", "CS-2"]
    named = {"OCPI-from-country-code": "DE", "OCPI-from-party-id": "SCS"}
    named |= {"OCPI-to-country-code": "NL", "OCPI-to-party-id": "TWO"}
    body = {"charging_profile": PROFILE, "response_url": back(hub)}
    elsewhere = await hub.call("smart", "PUT", at(hub), body=body, headers=named)
    assert elsewhere.data["result"] == "UNKNOWN_SESSION", "of another operator"


async def test_too_often(hub: HubInProcess) -> None:
    results = [(await put(hub)).data["result"] for _ in range(service.OFTEN + 1)]
    assert results == ["ACCEPTED"] * service.OFTEN + ["TOO_OFTEN"]


async def test_a_station_that_is_away(hub: HubInProcess) -> None:
    async with hub.services.database.work() as work:
        await work.connection.exec_driver_sql("UPDATE stations SET is_connected = FALSE")
    assert (await put(hub)).data["result"] == "REJECTED"
    assert await asked(hub) == []


@pytest.mark.parametrize("query", ["", "duration=", "duration=-1", "duration=0", "duration=x", "duration=99999999999"])
async def test_a_duration_is_required(hub: HubInProcess, query: str) -> None:
    said = await get(hub, "aaa", "OURS-AAA", f"{query}&response_url={quote(back(hub), safe='')}")
    assert said.outcome == (200, 2001)
    assert said.message.startswith("duration")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_response_url_is_required_and_the_callers(hub: HubInProcess, method: str) -> None:
    for url in ("", "http://elsewhere.example/x", "http://169.254.169.254/x", "not a url"):
        path = f"{at(hub)}?duration=60&response_url={quote(url, safe='')}"
        said = await hub.call("aaa", method, path)
        assert said.outcome == (200, 2001), url
        assert said.message.startswith("response_url"), url


@pytest.mark.parametrize(
    "query",
    [
        "duration=60&response_url=http://127.0.0.1:9/r?a=1&b=2",
        "response_url=http://127.0.0.1:9/r?a=1&b=2&duration=60",
        "duration=60&response_url=http%3A%2F%2F127.0.0.1%3A9%2Fr%3Fa%3D1%26b%3D2",
        "response_url=http://127.0.0.1:9/r%3Fa=1%26b=2&duration=60",
    ],
)
async def test_a_response_url_is_read_encoded_or_not(hub: HubInProcess, query: str) -> None:
    assert (await get(hub, "aaa", "OURS-AAA", query)).data["result"] == "ACCEPTED"
    rows = await hub.services.database.reader.fetch("SELECT response_url FROM commands")
    assert [row[0] for row in rows] == ["http://127.0.0.1:9/r?a=1&b=2"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"charging_profile_period": []}, "charging_profile.charging_profile_period"),
        ({"charging_rate_unit": "kW"}, "charging_profile.charging_rate_unit"),
        ({"duration": -1}, "charging_profile.duration"),
    ],
)
async def test_a_profile_that_no_station_can_follow(hub: HubInProcess, change: dict[str, Any], field: str) -> None:
    said = await put(hub, charging_profile=PROFILE | change)
    assert said.outcome == (200, 2001)
    assert said.message.startswith(field)


async def test_the_journal_holds_no_body_that_is_lost(hub: HubInProcess) -> None:
    await put(hub)
    ((*_, request_body, _),) = await hub.journal("method = 'PUT'")
    assert json.loads(request_body)["charging_profile"] == PROFILE
