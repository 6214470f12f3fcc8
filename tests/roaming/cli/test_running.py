"""All parts in one process, and what becomes of them when a part of the disk is lost."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from roaming.cli.running import addresses, everything, station_address
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.token import Token
from roaming.modules.tokens import service as tokens
from roaming.ocpi.module import Services
from roaming.partners import registry
from roaming.settings import Settings
from roaming.stations.bindings import Binding, bind
from tests.kit.envelopes import NOON
from tests.kit.hub_in_process import hub_in_process
from tests.kit.raw_station import RawStation
from tests.kit.server_process import free_port
from tests.kit.wait import until

CPO, EMSP = PartyId("NL", "HUB"), PartyId("DE", "HME")
TOKENS = 1_100
"""More than are told at once."""


async def fill(services: Services) -> None:
    """A station, and drivers who may charge there."""
    async with services.database.work() as work:
        await registry.host_party(work, CPO, Role.CPO, name="Hub Charging")
        await registry.host_party(work, EMSP, Role.EMSP, name="Home")
        await registry.agree(work, cpo=CPO, emsp=EMSP)
        for number in range(TOKENS):
            await tokens.publish(work, a_token(f"04{number:06X}"))
        binding = Binding(
            network="main",
            station_id="CS-1",
            connector_id=1,
            party=CPO,
            location_id="PIER",
            evse_uid="CS-1",
            evse_connector_id="1",
        )
        await bind(work, [binding], has_no_key=True)


def a_token(uid: str) -> Token:
    return Token(
        country_code=EMSP.country_code,
        party_id=EMSP.party_id,
        uid=uid,
        type="RFID",
        contract_id="DE-HME-C1",
        issuer="Home",
        valid=True,
        whitelist="ALWAYS",
        last_updated=NOON,
    )


async def until_the_adapter_knows_everything(folder: Path) -> None:
    """Reads the adapter's own file, since the service would answer in its place."""

    async def knows() -> bool:
        with sqlite3.connect(f"file:{folder}/adapter/adapter-main-hub.sqlite?mode=ro", uri=True) as connection:
            found = [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("tokens", "agreements", "accounts")
            ]
        connection.close()
        return found == [TOKENS, 1, 1]

    await until(knows, seconds=30, every=0.1)


async def test_an_adapter_that_lost_its_disk_is_told_again_what_it_must_know(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=free_port(), ocpp_port=free_port(), secret="00" * 32, has_console=False)
    async with everything(settings) as services:
        await fill(services)
        await until_the_adapter_knows_everything(tmp_path)
    shutil.rmtree(tmp_path / "adapter")
    async with everything(settings):
        station = await RawStation.dial(f"ws://127.0.0.1:{settings.ocpp_port}/", "CS-1")

        async def is_accepted() -> bool:
            return (await station.boot())["status"] == "Accepted"

        await until(is_accepted, seconds=30, every=0.1)
        await until_the_adapter_knows_everything(tmp_path)
        await station.close()


@pytest.mark.parametrize(
    ("ocpp", "address"),
    [
        ({}, "ws://127.0.0.1:9000/<station id>"),
        ({"host": "0.0.0.0", "port": 9001, "path": "/ocpp/"}, "ws://0.0.0.0:9001/ocpp/<station id>"),
        ({"tls_certificate": "chain.pem", "tls_key": "key.pem"}, "wss://127.0.0.1:9000/<station id>"),
        ({"tls_certificate": "chain.pem", "tls_key": "key.pem", "tls_port": 9443}, "wss://127.0.0.1:9443/<station id>"),
    ],
)
def test_people_are_told_where_stations_connect(tmp_path: Path, ocpp: dict[str, Any], address: str) -> None:
    assert station_address(Settings(data_dir=tmp_path, ocpp=ocpp)) == address


async def test_the_next_step_is_that_of_a_hub_with_parties_or_without(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=sqlite_url)
    async with hub_in_process(sqlite_url, tmp_path) as hub:
        assert (await addresses(settings, hub.services))["next"] == "roaming doctor"
        async with hub.services.database.work() as work:
            await work.connection.execute(delete(registry.PARTIES))
            await registry.touch(work)
        assert (await addresses(settings, hub.services))["next"].startswith("roaming party add NL-ABC")
