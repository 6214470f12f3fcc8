"""A reservation belongs to who made it: the same id again replaces it, and nobody else's."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.envelope import decode
from contracts.messages import CommandRequested
from contracts.vocabulary import CommandName
from roaming.modules.commands import repository
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, HubInProcess, hub_in_process
from tests.kit.ruling import a_rule, rule

RESERVE, CANCEL = CommandName.RESERVE, CommandName.CANCEL_RESERVATION


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Two locations with a connected station each: CS-OURS and CS-OTHER."""
    async with hub_in_process(database_url, tmp_path) as running:
        for name in ("OURS", "OTHER"):
            await running.host_location(name)
            await running.host_station(f"CS-{name}", name)
        yield running


async def send(hub: HubInProcess, partner: str, name: str, body: dict[str, Any]) -> str:
    answer = await hub.call(partner, "POST", f"{RECEIVER}/commands/{name}", body=body)
    assert answer.outcome == (200, 1000), answer.text
    return str(answer.data["result"])


async def reserve(hub: HubInProcess, partner: str, *, at: str = "OURS", id: str = "R1") -> str:
    body = ocpi_bodies.reserve_now(f"DE-{partner.upper()}", location_id=at, evse_uid=f"{at}-1", reservation_id=id)
    return await send(hub, partner, "RESERVE_NOW", body)


async def cancel(hub: HubInProcess, partner: str, *, id: str = "R1") -> str:
    return await send(hub, partner, "CANCEL_RESERVATION", ocpi_bodies.cancel_reservation(reservation_id=id))


async def asked(hub: HubInProcess) -> list[CommandRequested]:
    """What stations are asked to do, in order."""
    rows = await hub.services.database.reader.fetch("SELECT envelope FROM outbox ORDER BY id")
    messages = [decode(row[0].encode()).message() for row in rows]
    return [message for message in messages if isinstance(message, CommandRequested)]


async def test_the_same_id_of_another_emsp_is_another_reservation(hub: HubInProcess) -> None:
    assert await reserve(hub, "aaa") == "ACCEPTED"
    assert await reserve(hub, "bbb", at="OTHER") == "ACCEPTED"
    assert await cancel(hub, "aaa") == "ACCEPTED"
    of_a, of_b, cancelled = await asked(hub)
    assert of_a.reservation_id != of_b.reservation_id
    assert (cancelled.name, cancelled.station_id, cancelled.reservation_id) == (CANCEL, "CS-OURS", of_a.reservation_id)


async def test_nobody_cancels_the_reservation_of_another(hub: HubInProcess) -> None:
    assert await reserve(hub, "aaa") == "ACCEPTED"
    assert await cancel(hub, "bbb") == "REJECTED"
    assert [message.name for message in await asked(hub)] == [RESERVE]


async def test_the_same_id_at_the_same_station_replaces_there(hub: HubInProcess) -> None:
    assert await reserve(hub, "aaa") == await reserve(hub, "aaa", id="r1") == "ACCEPTED"
    first, second = await asked(hub)
    assert (first.name, second.name) == (RESERVE, RESERVE)
    assert first.reservation_id == second.reservation_id, "the station replaces its own"


async def test_the_same_id_at_another_station_lets_the_first_station_go(hub: HubInProcess) -> None:
    assert await reserve(hub, "aaa") == "ACCEPTED"
    assert await reserve(hub, "aaa", at="OTHER", id="r1") == "ACCEPTED"
    first, freed, second = await asked(hub)
    assert (freed.name, freed.station_id, freed.reservation_id) == (CANCEL, "CS-OURS", first.reservation_id)
    assert (second.name, second.station_id) == (RESERVE, "CS-OTHER")
    assert await cancel(hub, "aaa") == "ACCEPTED"
    assert (await asked(hub))[-1].station_id == "CS-OTHER"


async def test_with_two_cpos_one_id_is_two_reservations(hub: HubInProcess) -> None:
    """Both are the eMSP's: OCPI-to says which one it cancels."""
    assert await reserve(hub, "aaa") == "ACCEPTED"
    async with hub.services.database.work() as work:
        found = await repository.find_reservation(work.connection, "DE-AAA", "NL-HUB", "R1")
        assert found is not None
        of_another = replace(found, cpo="NL-ZZZ", station_id="CS-ZZZ", station_reservation_id="z")
        await repository.keep_reservation(work.connection, of_another)
    assert await cancel(hub, "aaa") == "ACCEPTED"
    assert (await asked(hub))[-1].station_id == "CS-OURS"


async def test_what_has_expired_is_not_cancelled_at_the_station(hub: HubInProcess) -> None:
    assert await reserve(hub, "aaa") == "ACCEPTED"
    async with hub.services.database.work() as work:
        found = await repository.find_reservation(work.connection, "DE-AAA", "NL-HUB", "R1")
        assert found is not None
        await repository.keep_reservation(work.connection, replace(found, expires_at=work.now))
    assert await cancel(hub, "aaa") == "REJECTED"
    assert [message.name for message in await asked(hub)] == [RESERVE]


async def test_a_cancellation_is_as_rules_about_its_place_say(hub: HubInProcess) -> None:
    assert await reserve(hub, "aaa") == "ACCEPTED"
    for kind, place, result in (
        ("commands", "OURS", "REJECTED"),
        ("tokens", "OURS", "ACCEPTED"),
    ):
        await rule(hub.services.database, [a_rule("deny", kind, object_id=place)])
        assert await cancel(hub, "aaa") == result, (kind, place)
