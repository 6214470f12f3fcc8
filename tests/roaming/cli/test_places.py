"""``station bind`` and ``location place``: who may connect how is said, and no invented address reaches a partner."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from roaming.cli.running import everything
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.ocpi.module import Services
from roaming.partners import registry
from roaming.settings import Settings
from tests.kit.hub_in_process import SENDER, HubInProcess, hub_in_process
from tests.kit.raw_station import RawStation
from tests.kit.server_process import free_port
from tests.kit.wait import until

WHERE = ("--address", "Kade 1", "--city", "Rotterdam", "--latitude", "51.90500", "--longitude", "4.48600")


async def roaming(*words: str) -> Result:
    """Runs a command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def told(*words: str) -> Any:
    """What a command that must go well says to programs."""
    done = await roaming(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def bind(station: str, *words: str, location: str = "SITE") -> tuple[str, ...]:
    return ("station", "bind", station, "--party", "NL*HUB", "--location", location, *words)


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("ROAMING_DATA_DIR", str(tmp_path))
    async with hub_in_process(sqlite_url, tmp_path) as running:
        yield running


async def seen(hub: HubInProcess) -> dict[str, Any]:
    """Our locations as the eMSP aaa lists them."""
    answer = await hub.call("aaa", "GET", f"{SENDER}/locations")
    return {location["id"]: location for location in answer.data}


async def test_a_location_is_published_once_it_is_known_where_it_is(hub: HubInProcess) -> None:
    bound = await told(*bind("CS-1"))
    assert bound["published"] == "no: address, city, coordinates missing"
    assert bound["next"].startswith("roaming location place SITE --party NL-HUB --address")
    assert await seen(hub) == {}
    doctor = {row["check"]: row for row in json.loads((await roaming("doctor", "--json")).stdout)}
    finding = doctor["locations without an address"]
    assert (finding["state"], finding["detail"], finding["fix"]) == ("warn", "1, not published: SITE", bound["next"])
    (station,) = await told("station", "list")
    assert station["published"] == bound["published"]
    half = await told("location", "place", "site", "--party", "nl-hub", *WHERE[:4])
    assert half["published"] == "no: coordinates missing"
    assert await seen(hub) == {}
    placed = await told("location", "place", "site", "--party", "nl-hub", *WHERE[4:])
    assert placed == {"location": "NL-HUB SITE", "published": "yes"}
    location = (await seen(hub))["SITE"]
    assert (location["address"], location["country"], location["time_zone"]) == ("Kade 1", "NLD", "Europe/Amsterdam")
    assert location["coordinates"] == {"latitude": "51.90500", "longitude": "4.48600"}
    assert [evse["uid"] for evse in location["evses"]] == ["CS-1"]


async def test_it_can_be_said_when_a_station_is_bound(hub: HubInProcess) -> None:
    assert (await told(*bind("CS-1", *WHERE)))["published"] == "yes"
    assert (await told(*bind("CS-2")))["published"] == "yes", "the place is known already"
    moved = await told(*bind("CS-2", "--address", "Kade 2"))
    assert (moved["published"], (await seen(hub))["SITE"]["address"]) == ("yes", "Kade 2")
    assert len((await seen(hub))["SITE"]["evses"]) == 2


async def test_a_location_that_is_kept_back_on_purpose_stays_so(hub: HubInProcess) -> None:
    await hub.host_location("DEPOT", publish=False)
    bound = await told(*bind("CS-1", "--address", "Kade 3", location="DEPOT"))
    assert bound["published"] == "no: publish is false"
    missing = await roaming("location", "place", "NONE", "--party", "NL-HUB", *WHERE)
    assert (missing.exit_code, "roaming location list --party NL-HUB" in missing.stderr) == (1, True)


async def test_where_the_country_does_not_tell_the_time_it_must_be_said(hub: HubInProcess) -> None:
    unclear = await roaming(*bind("CS-1", "--country", "USA"))
    assert (unclear.exit_code, "time_zone: USA does not tell it" in unclear.stderr) == (1, True)
    assert (await told(*bind("CS-1", "--country", "USA", "--time-zone", "America/Denver")))["station"] == "CS-1"


@dataclass
class Running:
    """A whole hub, and the address of its stations."""

    services: Services
    stations: str

    async def is_let_in(self, station_id: str, password: str | None) -> bool:
        """Whether the station boots with this password."""
        try:
            station = await RawStation.dial(self.stations, station_id, password=password)
        except Exception:
            return False
        try:
            return bool((await station.boot())["status"] == "Accepted")
        except Exception:
            return False
        finally:
            await station.close()


@pytest.fixture
async def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setenv("ROAMING_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ROAMING_HAS_CONSOLE", "false")
    settings = Settings(port=free_port(), ocpp_port=free_port())
    async with everything(settings) as services:
        async with services.database.work() as work:
            await registry.host_party(work, PartyId("NL", "HUB"), Role.CPO, name="Hub Charging")
        yield Running(services, f"ws://127.0.0.1:{settings.ocpp_port}/")


async def test_a_station_never_seen_gets_a_password(running: Running) -> None:
    bound = await told(*bind("CS-1"))
    assert "shown once" in bound["note"]
    assert len(bound["password"]) == 20
    await until(lambda: running.is_let_in("CS-1", bound["password"]), seconds=30, every=0.1)
    assert not await running.is_let_in("CS-1", None)
    assert (await told(*bind("CS-1")))["password"] == "the one it has"
    assert await running.is_let_in("CS-1", bound["password"])


async def test_a_station_that_waits_keeps_what_it_showed(running: Running) -> None:
    station = await RawStation.dial(running.stations, "CS-2", password="a-password-of-its-own")

    async def waits() -> bool:
        return [row["state"] for row in await told("station", "list")] == ["WAITING"]

    await until(waits, seconds=30, every=0.1)
    bound = await told(*bind("cs-2"))
    assert (bound["station"], bound["password"], bound["EVSEs"]) == ("CS-2", "the one it presented", "CS-2")
    await station.close()
    await until(lambda: running.is_let_in("CS-2", "a-password-of-its-own"), seconds=30, every=0.1)


async def test_a_station_without_a_password_is_said_to_have_none(running: Running) -> None:
    bound = await told(*bind("CS-3", "--no-password"))
    assert "passwordless_from" in bound["password"]
    await until(lambda: running.is_let_in("CS-3", None), seconds=30, every=0.1)
