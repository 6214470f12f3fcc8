"""``roaming sim`` against a hub of one's own: what README says works, and what cannot work says what to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from roaming.cli.running import everything
from roaming.cli.simulating import list_scenarios, run_partner, run_stations, scenarios_of, versions_of
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.ocpi.credentials_token import new_token
from roaming.partners import registry
from roaming.settings import Settings
from tests.kit.server_process import free_port


@asynccontextmanager
async def hub(folder: Path, **settings: Any) -> AsyncIterator[tuple[Settings, dict[str, Any]]]:
    """A running hub with a CPO and a partner that may register; yields what ``run_partner`` wants to know."""
    chosen = Settings(
        data_dir=folder, port=free_port(), ocpp_port=free_port(), secret="00" * 32, has_console=False, **settings
    )
    token = new_token()
    async with everything(chosen) as services:
        async with services.database.work() as work:
            await registry.host_party(work, PartyId("NL", "HUB"), Role.CPO, name="Hub Charging")
            await registry.add_partner(work, id="sandbox", name="Sandbox")
            digest = services.secrets.digest(token)
            await registry.allow_token(work, partner_id="sandbox", digest=digest, is_registration=True)
        yield (
            chosen,
            {
                "url": f"http://127.0.0.1:{chosen.port}/ocpi/versions",
                "token": token,
                "party": "DE-SBX",
                "port": free_port(),
                "fault": "",
                "seconds": 0.2,
                "as_json": False,
            },
        )


async def test_a_partner_registers_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with hub(tmp_path, is_http_allowed=True, allowed_networks=("127.0.0.0/8",)) as (_, wanted):
        await run_partner(**wanted)
    assert "registered as DE-SBX" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "named"),
    [({}, "ROAMING_IS_HTTP_ALLOWED=true"), ({"is_http_allowed": True}, "ROAMING_ALLOWED_NETWORKS")],
)
async def test_a_refused_address_names_what_to_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], named: str
) -> None:
    async with hub(tmp_path, **settings) as (_, wanted):
        with pytest.raises(typer.Exit):
            await run_partner(**wanted)
    assert named in capsys.readouterr().err


STATIONS: dict[str, Any] = {"prefix": "SIM", "password": "", "tokens": [], "speed": 60.0, "seed": 1}


async def test_stations_that_wait_say_how_to_bind_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with hub(tmp_path) as (settings, _):
        url = f"ws://127.0.0.1:{settings.ocpp_port}"
        ended = await run_stations(n=2, url=url, seconds=3.0, **STATIONS)
    assert (ended["connected"], ended["bound"]) == (2, 0)
    said = capsys.readouterr().err
    assert "SIM-002 waits: roaming station bind SIM-002 --party" in said
    assert "needs it here: --password" in said


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_a_fleet_that_never_connects_has_failed(capsys: pytest.CaptureFixture[str], scheme: str) -> None:
    with pytest.raises(typer.Exit):
        await run_stations(n=1, url=f"{scheme}://127.0.0.1:{free_port()}", seconds=0.5, **STATIONS)
    assert "roaming start" in capsys.readouterr().err


def test_versions_are_named_one_by_one() -> None:
    assert versions_of("1.6, 2.1") == ("1.6", "2.1")
    with pytest.raises(typer.Exit):
        versions_of("1.6,3")


def test_scenarios_are_named_and_listed() -> None:
    assert scenarios_of("steady, repeated") == ("steady", "repeated")
    rows = {row["scenario"]: row for row in list_scenarios()}
    assert rows["lost-ids"]["ocpp"] == "1.6"
    assert all(row["stations"] and row["hub"] for row in rows.values())
