"""A partner that is away for ten minutes, a day, four days, by a clock that is moved: what it gets when it is back, and
what it has to fetch."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import msgspec
import pytest

from roaming.hub import judging, lane
from roaming.hub.judging import Result
from roaming.model.identifiers import PartyId
from roaming.model.session import Session
from roaming.model.time import SystemClock, format_timestamp
from roaming.modules.cdrs.service import issue_once
from roaming.modules.sessions import repository
from roaming.modules.sessions.service import CODECS
from roaming.ocpi.module import Verdict
from tests.kit import ocpi_bodies
from tests.kit.answering_partner import delivering
from tests.kit.hub_in_process import HOSTED_CPO, SENDER, HubInProcess, decoded, hub_in_process
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer
from tests.kit.wait import until
from tests.roaming.modules.cdrs.test_issuing import at

STEPS = 8


class MovedClock(SystemClock):
    """The time of now, and what it was moved by."""

    moved = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.moved


@dataclass
class Door:
    """A partner that is away at first."""

    is_away: bool = True
    refused: int = 0
    taken: list[tuple[str, str]] = field(default_factory=list)
    """(module, id) of all that it took, with the name of a location behind its id."""

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if self.is_away:
            self.refused += 1
            writer.write(http_answer(b"nobody at home", status="503 Service Unavailable"))
            return
        if request.method == "GET":
            writer.write(http_answer(enveloped(None, status_code=2000), status="404 Not Found"))
            return
        body = json.loads(request.body)
        self.taken.append((request.target.split("/")[3], body["id"] + body.get("name", "")))
        writer.write(http_answer(enveloped(None)))

    def has(self, module: str) -> list[str]:
        return [id for name, id in self.taken if name == module]


@pytest.fixture
async def hub(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[HubInProcess, MovedClock]]:
    monkeypatch.setattr(judging, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(judging, "LONGEST_PAUSE", 0.05)
    async with hub_in_process(database_url, tmp_path) as running:
        clock = MovedClock()
        running.services = replace(running.services, clock=clock)
        running.services.database.clock = clock
        yield running, clock


async def issue(hub: HubInProcess, number: int) -> None:
    """A CDR of a driver of the partner's."""
    times = {"start_date_time": "2026-11-23T10:00:00Z", "end_date_time": "2026-11-23T11:00:00Z"}
    body = ocpi_bodies.session(HOSTED_CPO, "DE-CCC", id=f"S{number}", status="COMPLETED", **times)
    session: Session = decoded(CODECS, body)
    key = repository.key_of(PartyId.parse(HOSTED_CPO), session.id)
    directory = await hub.services.directory.current()
    async with hub.services.database.work() as work:
        await repository.keep_snapshot(work.connection, key, "location", msgspec.structs.replace(at(), id="L1"))
        assert await issue_once(work, directory, key, session, correlation_id="", cause="")


async def states(hub: HubInProcess, module: str) -> Counter[str]:
    rows = await hub.services.database.reader.fetch(
        "SELECT state, COUNT(*) FROM deliveries WHERE module = $1 AND partner_id = 'ccc' GROUP BY state", module
    )
    return Counter({row[0]: row[1] for row in rows})


@pytest.mark.parametrize(
    ("away", "is_state_pushed", "given_up"),
    [(timedelta(minutes=10), True, 0), (timedelta(days=1), False, 0), (timedelta(hours=100), False, 3)],
    ids=["ten minutes", "a day", "four days"],
)
async def test_who_was_away_gets_everything(
    hub: tuple[HubInProcess, MovedClock], away: timedelta, is_state_pushed: bool, given_up: int
) -> None:
    """Records in patience for three days, the latest state for an hour; what was given up is in our lists."""
    running, clock = hub
    door, began = Door(), clock.now()
    async with ScriptedPartner(door) as partner, delivering(running):
        await running.connect("ccc", "DE-CCC", "EMSP", url=partner.url)
        await running.host_location("OLD", name=" old")
        for step in range(STEPS):
            await running.host_location("OURS", name=f" {step}")
            await issue(running, step)
            await until(lambda step=step: _is_fanned_out(running, step + 1))
            seen = door.refused
            clock.moved += away / STEPS
            await until(lambda seen=seen: door.refused > seen)
        await until(lambda: _has_given_up(running, "cdrs", given_up))
        await until(lambda: _has_given_up(running, "locations", 0 if is_state_pushed else 2))
        door.is_away = False
        await until(lambda: _is_settled(running), seconds=20)
        await running.host_location("OURS", name=" back")
        await until(lambda: "OURS back" in door.has("locations"))
    cdrs = await running.call("ccc", "GET", f"{SENDER}/cdrs?limit=99")
    assert len(cdrs.data) == STEPS, "all can be fetched"
    told = door.has("cdrs")
    assert len(told) == len(set(told)) == STEPS - given_up, "each once"
    assert (await states(running, "cdrs")) == Counter(
        {name: n for name, n in (("DELIVERED", STEPS - given_up), ("DEAD", given_up)) if n}
    )
    missed = ["OLD old", "OURS 7"] if is_state_pushed else []
    assert sorted(door.has("locations")) == [*missed, "OURS back"], "only the latest of each"
    since = quote(format_timestamp(began - timedelta(seconds=1)))
    fetched = await running.call("ccc", "GET", f"{SENDER}/locations?date_from={since}")
    assert {each["id"] for each in fetched.data} == {"OLD", "OURS"}, "what it missed"


async def _has_given_up(hub: HubInProcess, module: str, count: int) -> bool:
    return (await states(hub, module))["DEAD"] >= count


async def _is_fanned_out(hub: HubInProcess, cdrs: int) -> bool:
    rows = await hub.services.database.reader.fetch("SELECT COUNT(*) FROM outgoing")
    return bool(rows[0][0] == 0 and (await states(hub, "cdrs")).total() == cdrs)


async def _is_settled(hub: HubInProcess) -> bool:
    pending = (await states(hub, "cdrs"))["PENDING"] + (await states(hub, "locations"))["PENDING"]
    return pending == 0


def test_who_is_away_is_asked_once_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(lane, "time", SimpleNamespace(monotonic=lambda: now[0]))
    spared = lane.Lane(None, {}, None, None, None, "ccc")  # type: ignore[arg-type]
    probes: list[float] = []
    while now[0] < 2 * 3600:
        probes.append(now[0])
        spared._pace(Result(pending=None, verdict=Verdict.RETRY, is_partner_trouble=True), now[0])  # type: ignore[arg-type]
        now[0] = spared._resumes_at
    assert 45 <= sum(at >= 3600 for at in probes) <= 60
    assert probes[1] < 1, "a short trouble is over soon"
