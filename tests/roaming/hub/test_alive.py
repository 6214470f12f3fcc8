"""The still-alive check: silence, three questions in vain, and the way back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from roaming.hub import alive as alive_check
from roaming.hub.alive import TRIES, Alive
from roaming.ocpi.outgoing import DELIVERIES
from roaming.partners.presence import note_presence, offline_partners
from roaming.store.locks import ProcessLocks
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.scripted_partner import Received, Script, ScriptedPartner, always, enveloped, http_answer
from tests.kit.wait import until

VERSIONS = http_answer(enveloped([{"version": "2.2.1", "url": "http://partner.test/2.2.1"}]))


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path) as running:
        yield running


def asked(partner: ScriptedPartner) -> list[Received]:
    return [request for request in partner.requests if request.target == "/versions"]


async def offline(hub: HubInProcess) -> frozenset[str]:
    return await offline_partners(hub.services.database.reader) & {"one"}


async def looks(hub: HubInProcess, alive: Alive, times: int) -> None:
    for _ in range(times):
        await alive.look()
        await hub.services.journal.flush()


async def test_a_silent_partner_is_asked_and_answers(hub: HubInProcess) -> None:
    async with ScriptedPartner(always(VERSIONS)) as partner:
        await hub.connect("one", "SE-ONE", "EMSP", url=partner.url)
        await looks(hub, Alive(hub.services, ProcessLocks(), retry_seconds=0), 3)
        (request,) = asked(partner)
        assert request.headers["authorization"].startswith("Token ")
        assert not [name for name in request.headers if name.startswith("ocpi-")]
        assert await offline(hub) == frozenset()
    assert [entry[1:3] for entry in await hub.journal("direction = 'out' AND partner_id = 'one'")] == [
        ("versions", "GET")
    ]


async def test_a_partner_that_was_heard_is_not_asked(hub: HubInProcess) -> None:
    async with ScriptedPartner(always(VERSIONS)) as partner:
        await hub.connect("one", "SE-ONE", "EMSP", url=partner.url)
        await hub.call("one", "GET", "/versions")
        await hub.services.journal.flush()
        await looks(hub, Alive(hub.services, ProcessLocks(), retry_seconds=0), 2)
        assert asked(partner) == []


@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway"])
async def test_it_is_offline_after_several_tries_and_back_with_its_first_answer(hub: HubInProcess, status: str) -> None:
    async with ScriptedPartner(always(http_answer(b"", status=status))) as partner:
        await hub.connect("one", "SE-ONE", "EMSP", url=partner.url)
        alive = Alive(hub.services, ProcessLocks(), retry_seconds=0)
        await looks(hub, alive, TRIES - 1)
        assert await offline(hub) == frozenset()
        await looks(hub, alive, 1)
        assert await offline(hub) == {"one"}
        assert len(asked(partner)) == TRIES
        await looks(hub, alive, 1)
        assert len(asked(partner)) == TRIES, "one that is offline is asked less often"
        partner.script = always(VERSIONS)
        await looks(hub, Alive(hub.services, ProcessLocks(), retry_seconds=0), 1)
        assert await offline(hub) == frozenset()


async def test_a_request_of_its_own_is_a_return_too(hub: HubInProcess) -> None:
    await hub.connect("one", "SE-ONE", "EMSP")
    alive = Alive(hub.services, ProcessLocks(), retry_seconds=0)
    await looks(hub, alive, TRIES)
    assert await offline(hub) == {"one"}
    await hub.call("one", "GET", "/versions")
    await hub.services.journal.flush()
    await looks(hub, alive, 1)
    assert await offline(hub) == frozenset()


async def test_a_refusal_is_a_word_too(hub: HubInProcess) -> None:
    script: Script = always(http_answer(b"", status="401 Unauthorized"))
    async with ScriptedPartner(script) as partner:
        await hub.connect("one", "SE-ONE", "EMSP", url=partner.url)
        await looks(hub, Alive(hub.services, ProcessLocks(), retry_seconds=0), TRIES)
        assert await offline(hub) == frozenset()


async def test_whoever_tries_with_a_wrong_token_is_nobody(hub: HubInProcess) -> None:
    await hub.connect("one", "SE-ONE", "EMSP")
    alive = Alive(hub.services, ProcessLocks(), retry_seconds=0)
    await looks(hub, alive, TRIES)
    await hub.call(None, "GET", "/versions", token="guessed")
    await hub.services.journal.flush()
    await looks(hub, alive, 1)
    assert await offline(hub) == {"one"}


async def test_those_that_are_gone_keep_nobody_waiting(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than are asked at once; they have failed before, take the question, and never answer."""
    hub.services = replace(hub.services, partner_silence=0)
    monkeypatch.setattr(alive_check, "AT_ONCE", 2)
    monkeypatch.setattr(alive_check, "TIMEOUT_SECONDS", 600.0)
    broken = always(http_answer(b"", status="502 Bad Gateway"))

    async def never(_request: Received, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with ScriptedPartner(always(VERSIONS)) as there, ScriptedPartner(broken) as gone:
        await hub.connect("one", "SE-ONE", "EMSP", url=there.url)
        for number in range(3):
            await hub.connect(f"gone-{number}", f"SE-GO{number}", "EMSP", url=gone.url)
        alive = Alive(hub.services, ProcessLocks(), retry_seconds=0)
        await looks(hub, alive, 1)
        assert (len(asked(there)), len(asked(gone))) == (1, 3)
        gone.script = never

        async def is_asked_again() -> bool:
            await alive.begin()
            return len(asked(there)) >= 3

        try:
            await until(is_asked_again, seconds=30)
            await until(lambda: len(asked(gone)) == 5)
        finally:
            await alive.stop()
        assert len(asked(gone)) == 5, "none is asked twice at a time, nor more than two together"


async def test_what_was_given_up_is_told_when_the_partner_is_back(hub: HubInProcess) -> None:
    async with ScriptedPartner(always(VERSIONS)) as partner:
        await hub.connect("one", "SE-ONE", "EMSP", url=partner.url)
        alive = Alive(hub.services, ProcessLocks(), retry_seconds=0)
        async with hub.services.database.work() as work:
            await note_presence(work, "one", is_offline=True)
            for id, (partner_id, state) in enumerate([("one", "DEAD"), ("one", "REFUSED"), ("aaa", "DEAD")]):
                row = {"coalesce_key": str(id), "partner_id": partner_id, "module": "locations", "object_key": f"L{id}"}
                row |= {"owner": "NL-HUB", "order_key": f"L{id}", "state": state, "revision": 1, "attempts": 9}
                row |= {"detail": "", "last_error": "", "remote_url": "", "is_in_doubt": False, "is_full": False}
                row |= {"created_at": work.now, "due_at": work.now, "done_at": work.now}
                await work.connection.execute(insert(DELIVERIES).values(row))
        await looks(hub, alive, 1)
        assert await offline(hub) == frozenset()
        rows = await hub.services.database.reader.fetch("SELECT state, attempts FROM deliveries ORDER BY coalesce_key")
        assert [tuple(row) for row in rows] == [("PENDING", 0), ("REFUSED", 9), ("DEAD", 9)]
