"""Stations of OCPP 2.0.1 and 2.1 that are not ours charge to a CDR at a partner: one on npm's ocpp-rpc, where the car
is plugged in before the card is shown, one on PyPI's ocpp, started and stopped by the partner."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.hub import Hub
from tests.e2e.outside import package_station
from tests.e2e.outside.rpc_station import ENERGY_KWH, RpcStation
from tests.e2e.partner import ADA, Partner
from tests.e2e.test_outside import PASSWORD, PATIENCE, as_operator, bind_when_it_waits, check_story
from tests.kit.wait import until

pytestmark = [pytest.mark.outside, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Embedded: the shape is not the subject here."""
    running = Hub("embedded", tmp_path)
    try:
        yield running.start()
    finally:
        running.stop()


async def set_up(hub: Hub, partner: Partner) -> None:
    """A CPO, and a partner who has registered."""
    await as_operator(hub, "party", "add", "NL-HUB", "--role", "CPO", "--name", "Hub Charging")
    added = await as_operator(hub, "partner", "add", "sandbox", "--party", "DE-SBX")
    await partner.emsp.register(hub.versions_url, added["TOKEN_A"])


def check_cdr(partner: Partner, station: str, *, method: str) -> None:
    """One session, one CDR, of what the station measured."""
    (cdr,) = partner.cdrs
    assert cdr["cdr_token"]["uid"] == ADA
    assert cdr["cdr_location"]["evse_uid"] == station
    assert Decimal(str(cdr["total_energy"])) == Decimal(ENERGY_KWH)
    assert cdr["auth_method"] == method
    (session,) = partner.sessions
    assert (session["status"], session["id"]) == ("COMPLETED", cdr["session_id"])
    assert partner.emsp.doubles == []


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_a_station_on_ocpp_rpc_charges(hub: Hub, version: str) -> None:
    async with Partner() as partner:
        await set_up(hub, partner)
        async with RpcStation(hub.ocpp_url(), "RPC-1", password=PASSWORD, token_uid=ADA, version=version) as station:
            await bind_when_it_waits(hub, "RPC-1", "NL-HUB")
            await until(lambda: station.has_ended_well or station.words("failed"), seconds=PATIENCE)
        check_story(station)
        assert [word["protocol"] for word in station.words("connected")] == [version]
        await until(lambda: partner.cdrs, seconds=PATIENCE)
        check_cdr(partner, "RPC-1", method="AUTH_REQUEST")


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_a_station_on_the_ocpp_package_is_started_and_stopped(hub: Hub, version: str) -> None:
    async with Partner() as partner:
        emsp = partner.emsp
        await set_up(hub, partner)
        is_ready = asyncio.Event()
        station = asyncio.create_task(
            package_station.run(hub.ocpp_url(), "PKG-1", password=PASSWORD, version=version, is_ready=is_ready)
        )
        await bind_when_it_waits(hub, "PKG-1", "NL-HUB")
        async with asyncio.timeout(PATIENCE):
            await is_ready.wait()
        started, _ = await emsp.start(emsp.drivers[ADA], "PIER", "PKG-1")
        await until(lambda: emsp.results.get(started) == "ACCEPTED", seconds=PATIENCE)
        await until(lambda: partner.sessions, seconds=PATIENCE)
        stopped, _ = await emsp.stop(partner.sessions[0]["id"])
        await until(lambda: emsp.results.get(stopped) == "ACCEPTED", seconds=PATIENCE)
        async with asyncio.timeout(PATIENCE):
            await station
        await until(lambda: partner.cdrs, seconds=PATIENCE)
        check_cdr(partner, "PKG-1", method="COMMAND")
