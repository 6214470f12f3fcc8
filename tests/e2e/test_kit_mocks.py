"""``ocpi serve-mock`` of the crate ocpi-kit on either side of the hub: what the CPO lists is pulled and told to the
eMSP, what the eMSP lists to the CPO. What it is asked by a station: ``test_outside.py``."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roaming.app import open_services
from roaming.model.identifiers import PartyId
from roaming.partners import registry
from roaming.settings import Settings
from tests.e2e.hub import SECRET, Hub
from tests.e2e.outside.kit_mock import CPO, PARTY, TOKEN_A, KitMock
from tests.kit.ocpi_speech import Speech
from tests.kit.wait import until

PATIENCE = 60.0
DRIVER = "0A11CE5EED01"
TOLD = {"locations": "LOC1", "tariffs": "T1", "sessions": "S1", "cdrs": "C1"}
PULLED = {
    **dict.fromkeys(TOLD, ("DONE", 1, 0)),
    "tokens": ("DONE", 1, 0),
    **dict.fromkeys(("sessions", "cdrs"), ("DONE", 1, 1)),
}
"""State, new and refused objects. The seeded session and CDR are of a driver whose eMSP nobody knows."""

pytestmark = [pytest.mark.outside, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Lists are pulled when the test says so, and only then."""
    settings = {"ROAMING_HUB_PARTY": "NL-HUB", "ROAMING_PULL_FIRST_DELAY": "3600"}
    running = Hub("embedded", tmp_path, settings=settings)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.mark.parametrize(("of_cpo", "of_emsp"), [("2.2.1", "2.3.0"), ("2.3.0", "2.2.1")])
async def test_what_one_mock_lists_the_other_is_told(hub: Hub, tmp_path: Path, of_cpo: str, of_emsp: str) -> None:
    async def operator(*words: str) -> Any:
        return await asyncio.to_thread(hub.cli, *words)

    # A list of sessions is asked for from the earliest time on
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with KitMock(tmp_path, of_cpo, role="cpo", is_seeded=True) as cpo, KitMock(tmp_path, of_emsp) as emsp:
        await cpo.give("sessions", Speech(of_cpo).session(CPO, PARTY, id="S1", last_updated=now))
        await cpo.give("cdrs", Speech(of_cpo).cdr(CPO, PARTY, id="C1", session_id="S1", last_updated=now))
        await emsp.give("tokens", Speech(of_emsp).token(PARTY, uid=DRIVER))
        for name, party, mock in (("cpo", CPO, cpo), ("emsp", PARTY, emsp)):
            start = ("--party", party, "--url", mock.versions_url, "--token", TOKEN_A)
            added = await operator("partner", "add", name, *start)
            assert added == {"partner": name, "state": "CONNECTED", "version": mock.version}
        await agree(hub)
        rows = [row for name in ("cpo", "emsp") for row in await operator("partner", "sync", name)]
        assert {row["module"]: (row["state"], row["new"], row["refused"]) for row in rows} == PULLED
        await check_told(cpo, emsp)


async def agree(hub: Hub) -> None:
    settings = Settings(database_url=hub.database_url, secret=SECRET, data_dir=hub.folder)
    async with open_services(settings) as services, services.database.work() as work:
        await registry.agree(work, cpo=PartyId.parse(CPO), emsp=PartyId.parse(PARTY))


async def check_told(cpo: KitMock, emsp: KitMock) -> None:
    """Each once, and it is in the mock's store. The driver of DE-TNM is nobody's here."""
    await until(lambda: cpo.told("PUT", "receiver/tokens"), seconds=PATIENCE)
    assert {item["uid"] for item in await cpo.holds("tokens")} >= {DRIVER}
    for module, id in TOLD.items():
        method = "POST" if module == "cdrs" else "PUT"

        def is_told(method: str = method, module: str = module) -> bool:
            return bool(emsp.told(method, f"receiver/{module}"))

        await until(is_told, seconds=PATIENCE)
        assert [(item["party_id"], item["id"]) for item in await emsp.holds(module)] == [("TNM", id)]
        assert [status for _, status, _ in emsp.told(method, f"receiver/{module}")] == [201]
