"""Partners whose lists take for ever do not keep those of others from being read."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from roaming.hub.pulling import puller, state
from roaming.hub.pulling.puller import Puller
from roaming.ocpi.pulling import PullPace
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import hub_in_process
from tests.kit.listing_partner import ListingPartner, listen_at, stored
from tests.kit.scripted_partner import ScriptedPartner
from tests.kit.wait import until

PAGES = 12


async def test_a_long_list_waits_for_its_next_turn(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(puller, "PARTNERS_AT_ONCE", 1)
    monkeypatch.setattr(puller, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(puller, "LOOK_SECONDS", 0.05)
    long = ListingPartner({"tokens": [ocpi_bodies.token("DE-AAA", uid=f"U{n}") for n in range(PAGES)]}, page_size=1)
    short = ListingPartner({"locations": [ocpi_bodies.location(id="L1")]})
    async with (
        hub_in_process(database_url, tmp_path) as hub,
        ScriptedPartner(long) as first,
        ScriptedPartner(short) as second,
    ):
        await listen_at(hub, "aaa", first.url, ("tokens",))  # before "cpo" in every order of names
        await listen_at(hub, "cpo", second.url, ("locations",))
        pace = PullPace(requests_per_second=10_000, page_size=1, first_delay=timedelta(0))
        services = replace(hub.services, pulling=pace)
        running = asyncio.create_task(Puller(services, services.modules).run())
        try:
            await until(lambda: short.asked)
            seen = len(long.asked)
            assert 0 < seen < PAGES

            async def is_done() -> bool:
                pulls = await state.all_pulls(hub.services.database.reader)
                states = {pull.partner_id: pull.state for pull in pulls if pull.module in ("tokens", "locations")}
                return states["aaa"] == states["cpo"] == "DONE"

            await until(is_done, seconds=30)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert len(await stored(hub, "tokens", "aaa")) == PAGES
        assert len(long.asked) == PAGES, "each page once, whatever was between"
        assert list(await stored(hub, "locations", "cpo")) == ["L1"]
