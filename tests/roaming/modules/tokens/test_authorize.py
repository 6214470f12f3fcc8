"""A partner CPO asks whether a token may charge: found with one trip to the database, told to partners only."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.hub_in_process import SENDER, HubInProcess, hub_in_process


def address(uid: str, query: str = "") -> str:
    return f"{SENDER}/tokens/{uid}/authorize{query}"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path) as running:
        await running.host_objects()
        yield running


async def test_who_asks_and_about_whom_are_found_in_one_trip(
    hub: HubInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await hub.call("cpo", "POST", address("home1"))).data["token"]["uid"] == "HOME1"
    trips: list[str] = []
    reader = hub.services.database.reader
    fetch = reader.fetch

    async def counted(sql: str, *parameters: Any) -> Any:
        trips.append(sql)
        return await fetch(sql, *parameters)

    monkeypatch.setattr(reader, "fetch", counted)
    assert (await hub.call("cpo", "POST", address("HOME1"))).data["allowed"] == "ALLOWED"
    assert len(trips) == 1


UNKNOWN = {
    "NOBODY": "",
    "HOME1": "?type=APP_USER",
    "home1": "?type=RFID%00",
    "HOME1%27": "?type=",
    "%F0%9F%94%8C": "?token_type=RFID",
}
"""Uids in the address, and queries."""


async def test_an_unknown_token_is_2004(hub: HubInProcess) -> None:
    for uid, query in UNKNOWN.items():
        assert (await hub.call("cpo", "POST", address(uid, query))).outcome == (404, 2004), (uid, query)


async def test_an_address_that_cannot_be_read_is_explained_to_partners_only(hub: HubInProcess) -> None:
    assert (await hub.call("cpo", "POST", address("%D2R"))).outcome == (200, 2001)
    assert (await hub.call(None, "POST", address("%D2R"), token="a-guess")).outcome == (401, 2000)
    assert (await hub.call(None, "POST", address("HOME1"), token="a-guess")).outcome == (401, 2000)
