"""Partners' lists, page by page into the store: complete, resumable, and never at the mercy of the partner."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from roaming.hub.pulling import runner as runner_file
from roaming.hub.pulling import schedule, state
from roaming.hub.pulling.puller import Puller
from roaming.hub.pulling.state import Pull
from roaming.model.version import Version
from roaming.modules.tokens import service as tokens
from roaming.ocpi.module import Services
from roaming.ocpi.pulling import PullPace
from tests.kit import ocpi_bodies
from tests.kit.clock import HeldClock
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.listing_partner import ListingPartner, broken, listen_at, stored
from tests.kit.ocpi_speech import ALL, Speech
from tests.kit.scripted_partner import ScriptedPartner, enveloped, http_answer

FAST = PullPace(requests_per_second=10_000, page_size=2, first_delay=timedelta(0))
EARLY, NOON, LATE = "2026-11-20T10:00:00Z", "2026-11-21T12:00:00Z", "2026-11-22T10:00:00Z"


class Killed(BaseException):
    """Nothing handles it, so nothing is tidied up."""


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(datetime(2026, 11, 23, 12, 0, tzinfo=UTC))


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, clock: HeldClock) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path) as running:
        running.services.database.clock = clock
        running.services = replace(running.services, clock=clock, pulling=FAST)
        yield running


def puller_of(services: Services) -> Puller:
    return Puller(services, services.modules)


async def pull(hub: HubInProcess, module: str = "locations", partner: str = "cpo", kind: str = "") -> Pull:
    """One pull to its end, its failure or its pause, as a process of its own would do it."""
    puller = puller_of(hub.services)
    await puller.look_at_directory()
    if kind:
        assert isinstance(hub.services.clock, HeldClock)
        hub.services.clock.at += timedelta(minutes=1)
        async with hub.services.database.work() as work:
            await state.ask(work, partner, module, kind)
    await puller.pull_next(partner, modules=[module])
    return await state_of(hub, module, partner)


async def state_of(hub: HubInProcess, module: str = "locations", partner: str = "cpo") -> Pull:
    pulls = await state.all_pulls(hub.services.database.reader, partner)
    return next(found for found in pulls if found.module == module)


def locations(count: int, *, first: int = 1, at: str = NOON, **changes: Any) -> list[dict[str, Any]]:
    return [ocpi_bodies.location(id=f"L{n}", last_updated=at, **changes) for n in range(first, first + count)]


def names(*numbers: int) -> list[str]:
    return [f"L{number}" for number in numbers]


async def test_a_list_is_read_to_its_end(hub: HubInProcess) -> None:
    cpo = ListingPartner({"locations": locations(5)})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        done = await pull(hub)
    assert list(await stored(hub, "locations", "cpo")) == names(1, 2, 3, 4, 5)
    assert (done.state, done.kind, done.last_error) == ("DONE", "FULL", "")
    progress = done.progress
    assert (progress.pages, progress.objects, progress.new, progress.duplicates, progress.missing) == (3, 5, 5, 0, 0)
    assert cpo.targets[0] == "/sender/locations?limit=2"
    headers = cpo.asked[0].headers
    assert (headers["ocpi-from-country-code"], headers["ocpi-from-party-id"]) == ("DE", "HME")
    assert (headers["ocpi-to-country-code"], headers["ocpi-to-party-id"]) == ("FR", "CPO")
    assert len({request.headers["x-request-id"] for request in cpo.asked}) == 3
    assert len({request.headers["x-correlation-id"] for request in cpo.asked}) == 1
    assert done.due_at is not None
    assert done.due_at > done.finished_at  # type: ignore[operator]


@pytest.mark.parametrize(
    ("module", "partner", "items"),
    [
        ("tariffs", "cpo", [ocpi_bodies.tariff(id="A"), ocpi_bodies.tariff(id="B")]),
        ("tokens", "aaa", [ocpi_bodies.token("DE-AAA", uid="A"), ocpi_bodies.token("DE-AAA", uid="B")]),
        ("sessions", "cpo", [ocpi_bodies.session(id="A"), ocpi_bodies.session(id="B")]),
        ("cdrs", "cpo", [ocpi_bodies.cdr(id="A"), ocpi_bodies.cdr(id="B")]),
    ],
)
async def test_every_module_is_pulled(hub: HubInProcess, module: str, partner: str, items: list[Any]) -> None:
    async with ScriptedPartner(ListingPartner({module: items})) as listening:
        await listen_at(hub, partner, listening.url)
        done = await pull(hub, module, partner)
        assert done.progress.reasons == {}
        assert list(await stored(hub, module, partner)) == ["A", "B"]
        again = await pull(hub, module, partner, "FULL")
    assert (again.progress.new, again.progress.same, again.progress.missing) == (0, 2, 0)


async def test_a_2_1_1_list_has_no_owners_and_no_routing(hub: HubInProcess) -> None:
    bodies = [
        {name: value for name, value in body.items() if name not in ("country_code", "party_id", "publish")}
        | {"type": "ON_STREET"}
        for body in locations(3, evses=None)
    ]
    cpo = ListingPartner({"locations": bodies})
    async with ScriptedPartner(cpo) as listening:
        await listen_at(hub, "cpo", listening.url, version="2.1.1")
        done = await pull(hub)
        again = await pull(hub, kind="FULL")
    assert (done.state, done.progress.new, done.progress.reasons) == ("DONE", 3, {})
    assert (again.progress.same, again.progress.missing) == (3, 0)
    found = await stored(hub, "locations", "cpo")
    assert {(body["country_code"], body["party_id"]) for body in found.values()} == {("FR", "CPO")}
    assert not any(name.startswith("ocpi-") for request in cpo.asked for name in request.headers)
    assert cpo.asked[0].headers["authorization"] == "Token their-token"


@pytest.mark.parametrize("module", ["sessions", "cdrs"])
async def test_2_1_1_is_pulled(database_url: str, tmp_path: Path, clock: HeldClock, module: str) -> None:
    """Whose token it is follows from the contract; one of nobody here is refused and holds up no other."""
    make = getattr(Speech("2.1.1"), module.removesuffix("s"))
    items = [make(id="A"), make(id="B") | {"auth_id": "XX-NOBODY"}, make(id="C")]
    async with hub_in_process(database_url, tmp_path, version="2.1.1", offered_versions=ALL) as hub:
        async with hub.services.database.work() as work:
            body = ocpi_bodies.token("DE-HME")
            await tokens.publish(work, tokens.CODECS[Version.V2_2_1].decode(body).value)
        hub.services.database.clock = clock
        hub.services = replace(hub.services, clock=clock, pulling=FAST)
        cpo = ListingPartner({module: items})
        async with ScriptedPartner(cpo) as listening:
            await listen_at(hub, "cpo", listening.url, version="2.1.1")
            done = await pull(hub, module)
            again = await pull(hub, module, kind="FULL")
        assert list(await stored(hub, module, "cpo")) == ["A", "C"]
        assert (done.progress.new, done.progress.refused) == (2, 1)
        assert (again.progress.new, again.progress.same) == (0, 2)
        assert not [name for request in cpo.asked for name in request.headers if name.startswith("ocpi-")]


async def test_sessions_are_asked_for_with_a_date(hub: HubInProcess) -> None:
    cpo = ListingPartner({"sessions": []})
    async with ScriptedPartner(cpo) as listening:
        await listen_at(hub, "cpo", listening.url)
        assert (await pull(hub, "sessions")).state == "DONE"
    assert cpo.targets == ["/sender/sessions?date_from=2010-01-01T00%3A00%3A00Z&limit=2"]


async def test_a_pull_goes_on_where_it_was_killed(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    cpo = ListingPartner({"locations": locations(6)})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        real = runner_file.store_page
        calls = 0

        async def killed_at_the_second(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise Killed
            return await real(*arguments)

        monkeypatch.setattr(runner_file, "store_page", killed_at_the_second)
        with pytest.raises(Killed):
            await pull(hub)
        monkeypatch.undo()
        left = await state_of(hub)
        assert (left.state, left.progress.pages, left.progress.objects) == ("RUNNING", 1, 2)
        assert await puller_of(hub.services).pull_next("cpo") is None, "the claim of the dead has not lapsed yet"
        assert isinstance(hub.services.clock, HeldClock)
        hub.services.clock.at += state.HELD
        done = await pull(hub)
    assert (done.state, done.progress.pages, done.progress.objects, done.progress.new) == ("DONE", 3, 6, 6)
    assert done.progress.duplicates == 0
    offsets = [target.partition("offset=")[2].partition("&")[0] for target in cpo.targets]
    assert offsets == ["", "2", "2", "4"]


async def test_a_process_that_ends_lets_go_at_once(hub: HubInProcess) -> None:
    reached = asyncio.Event()
    cpo = ListingPartner({"locations": locations(4)}, on_page=lambda _p, offset: reached.set() if offset else None)
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        hub.services = replace(hub.services, pulling=replace(FAST, requests_per_second=5))
        task = asyncio.create_task(pull(hub))
        while (await _pages(hub)) < 1:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        done = await pull(hub)
    assert (done.state, done.progress.pages) == ("DONE", 2)


async def _pages(hub: HubInProcess) -> int:
    found = await state.all_pulls(hub.services.database.reader, "cpo")
    return max((entry.progress.pages for entry in found), default=0)


async def test_two_processes_do_not_pull_from_one_partner(hub: HubInProcess) -> None:
    cpo = ListingPartner({"locations": locations(4), "tariffs": [ocpi_bodies.tariff()]})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        one, other = puller_of(hub.services), puller_of(hub.services)
        await one.look_at_directory()
        await other.look_at_directory()
        found = await asyncio.gather(one.pull_next("cpo"), other.pull_next("cpo"))
    assert sorted(entry is None for entry in found) == [False, True]
    assert len(cpo.targets) == len(set(cpo.targets))


async def test_who_lost_the_claim_saves_nothing(hub: HubInProcess) -> None:
    puller = puller_of(hub.services)
    cpo = ListingPartner({"locations": locations(4)})

    async def stolen() -> None:
        async with hub.services.database.work() as work:
            await work.connection.execute(state.PULLS.update().values(holder="thief"))

    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await puller.look_at_directory()
        async with hub.services.database.work() as work:
            claimed = await state.claim(work, "cpo", "us", modules=["locations"])
        assert claimed is not None
        await stolen()
        with pytest.raises(state.Lost):
            async with hub.services.database.work() as work:
                await state.save(work, claimed)


@pytest.mark.parametrize(
    "answer",
    [broken(), broken("502 Bad Gateway"), broken("401 Unauthorized"), http_answer(enveloped(None, status_code=3000))],
)
async def test_a_page_that_fails_is_asked_for_again_later(hub: HubInProcess, clock: HeldClock, answer: bytes) -> None:
    cpo = ListingPartner({"locations": locations(4)})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        is_401 = b" 401 " in answer  # then the token is tried in its other form
        cpo.plan = [cpo.page(_first(partner)), *[answer] * (2 if is_401 else 1)]
        waits = await pull(hub)
        assert (waits.state, waits.progress.pages, waits.progress.attempts) == ("WAITING", 1, 1)
        assert waits.last_error
        assert waits.due_at is not None
        assert timedelta(seconds=2) <= waits.due_at - clock.at <= timedelta(seconds=3)
        assert (await pull(hub)).progress.pages == 1, "not before its time"
        clock.at = waits.due_at
        done = await pull(hub)
    assert (done.state, done.progress.pages, done.progress.new, done.last_error) == ("DONE", 2, 4, "")


def _first(partner: ScriptedPartner) -> Any:
    from tests.kit.scripted_partner import Received

    host = partner.url.removeprefix("http://")
    return Received("GET", "/sender/locations?limit=2", {"host": host}, b"")


async def test_a_partner_that_asks_for_patience_gets_it(hub: HubInProcess, clock: HeldClock) -> None:
    cpo = ListingPartner({"locations": []}, plan=[broken("429 Too Many Requests", Retry_After="120")])
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        waits = await pull(hub)
    assert waits.due_at == clock.at + timedelta(seconds=120)


async def test_an_absent_partner_is_caught_up_with(hub: HubInProcess, clock: HeldClock) -> None:
    """Nothing listens; then it comes back a fortnight later."""
    await listen_at(hub, "cpo", "http://127.0.0.1:9")
    waits = await pull(hub)
    for _ in range(12):
        assert waits.state == "WAITING"
        assert waits.due_at is not None
        clock.at = waits.due_at
        waits = await pull(hub)
    assert waits.due_at is not None
    assert waits.due_at - clock.at <= timedelta(seconds=schedule.LONGEST_PAUSE * 1.25)
    clock.at += timedelta(days=14)
    async with ScriptedPartner(ListingPartner({"locations": locations(3)})) as partner:
        await listen_at(hub, "cpo", partner.url)
        done = await pull(hub)
    assert (done.state, done.kind, done.progress.new) == ("DONE", "FULL", 3)


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("<http://{host}{path}?limit=2>; rel=next", "LOOP"),
        ("<http://{host}{path}?limit=2&token={next}>; rel=next", "LOOP"),
        ("<http://127.0.0.1:1/steal?offset={next}>; rel=next", "FOREIGN_LINK"),
        ("<http://169.254.169.254/latest?offset={next}>; rel=next", "FOREIGN_LINK"),
    ],
)
async def test_a_list_that_leads_astray_is_left(hub: HubInProcess, link: str, reason: str) -> None:
    cpo = ListingPartner({"locations": locations(100)}, link=link)
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        left = await pull(hub)
    assert left.state == "FAILED"
    assert left.last_error.startswith(reason)
    assert len(cpo.targets) <= 3
    assert list(await stored(hub, "locations", "cpo")) == names(1, 2)


async def test_pages_that_repeat_under_new_addresses_are_a_loop(hub: HubInProcess) -> None:
    cpo = ListingPartner({"locations": locations(100)})
    numbers = iter(range(1000))
    cpo.page = lambda request: http_answer(  # type: ignore[method-assign]
        enveloped(locations(2)), Link=f"<{request.target.partition('?')[0]}?page={next(numbers)}>; rel=next"
    )
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        left = await pull(hub)
    assert left.last_error.startswith("LOOP")
    assert len(cpo.targets) == 3


async def test_one_bad_object_stops_nothing(hub: HubInProcess) -> None:
    foreign = ocpi_bodies.location("FR-RIV", id="THEIRS", last_updated=NOON)
    items: list[Any] = [
        *locations(2),
        ocpi_bodies.location(id="BAD", coordinates={"latitude": "north"}, last_updated=NOON),
        foreign,
        "no object",
        ocpi_bodies.location(id="NUL\0", last_updated=NOON),
        *locations(2, first=3),
    ]
    async with ScriptedPartner(ListingPartner({"locations": items}, page_size=3)) as partner:
        await listen_at(hub, "cpo", partner.url)
        done = await pull(hub)
        journal = await hub.services.database.reader.fetch("SELECT 1")
    assert list(await stored(hub, "locations", "cpo")) == names(1, 2, 3, 4)
    assert await stored(hub, "locations", "riv") == {}
    assert (done.state, done.progress.objects, done.progress.new, done.progress.refused) == ("DONE", 8, 4, 4)
    assert any("FR-RIV is no CPO behind this partner" in reason for reason in done.progress.reasons)
    assert sum(done.progress.reasons.values()) == 4
    assert journal
    await hub.services.journal.flush()
    notes = await hub.services.database.reader.fetch(
        "SELECT note, response_body FROM journal WHERE module = 'locations' AND response_body <> '' ORDER BY id"
    )
    assert len(notes) == 4
    assert any("FR-RIV" in note and "THEIRS" in body for note, body in notes)


async def test_an_object_of_another_source_is_left_alone(hub: HubInProcess) -> None:
    """Two partners may list one party; who gave us the object first keeps it."""
    async with ScriptedPartner(ListingPartner({"locations": locations(1)})) as partner:
        await listen_at(hub, "cpo", partner.url)
        await pull(hub)
        async with hub.services.database.work() as work:
            from roaming.modules.locations.tables import LocationRow

            table = LocationRow.__table__  # type: ignore[attr-defined]
            await work.connection.execute(table.update().values(source="other"))
        done = await pull(hub, kind="FULL")
    assert done.progress.refused == 1
    assert "cannot be changed by you" in next(iter(done.progress.reasons))


async def test_what_we_have_newer_is_left_alone(hub: HubInProcess) -> None:
    cpo = ListingPartner({"locations": locations(2, at=NOON)})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await pull(hub)
        cpo.objects["locations"] = [
            ocpi_bodies.location(id="L1", city="Older", last_updated=EARLY),
            ocpi_bodies.location(id="L2", city="Newer", last_updated=LATE),
        ]
        done = await pull(hub, kind="FULL")
    assert (done.progress.older, done.progress.changed) == (1, 1)
    found = await stored(hub, "locations", "cpo")
    assert [entry["city"] for entry in found.values()] == [ocpi_bodies.location()["city"], "Newer"]


async def test_a_delta_asks_for_what_changed_since_the_newest_seen(hub: HubInProcess) -> None:
    cpo = ListingPartner({"locations": [*locations(1, at=EARLY), *locations(1, first=2, at=LATE)]})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert (await pull(hub)).mark == datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
        cpo.objects["locations"] += locations(3, first=3, at="2026-11-22T09:56:00Z")
        done = await pull(hub, kind="DELTA")
    assert cpo.targets[1:] == [
        "/sender/locations?date_from=2026-11-22T09%3A55%3A00Z&limit=2",
        "/sender/locations?date_from=2026-11-22T09:55:00Z&offset=2&limit=2",
    ]
    assert (done.kind, done.progress.new, done.progress.same, done.progress.missing) == ("DELTA", 3, 1, 0)
    assert len(await stored(hub, "locations", "cpo")) == 5, "what a delta lacks is not missing"


async def test_a_clock_that_is_ahead_hides_no_change(hub: HubInProcess, clock: HeldClock) -> None:
    cpo = ListingPartner({"locations": locations(1, at="2027-06-01T00:00:00Z")})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        assert (await pull(hub)).mark == clock.at


async def test_a_failed_delta_does_not_move_the_mark(hub: HubInProcess, clock: HeldClock) -> None:
    cpo = ListingPartner({"locations": locations(3, at=EARLY)})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        mark = (await pull(hub)).mark
        cpo.objects["locations"] = locations(4, first=9, at=LATE)
        cpo.link = "<http://elsewhere.example/?{next}>; rel=next"
        failed = await pull(hub, kind="DELTA")
    assert (failed.state, failed.mark) == ("FAILED", mark)


async def test_wrong_totals_make_a_list_doubtful(hub: HubInProcess) -> None:
    cpo = ListingPartner({"tariffs": [ocpi_bodies.tariff(id=name) for name in ("A", "B", "C")]})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await pull(hub, "tariffs")
        cpo.objects["tariffs"].pop()
        cpo.total = lambda count: count + 1
        doubtful = await pull(hub, "tariffs", kind="FULL")
        assert (doubtful.progress.missing, doubtful.progress.dropped) == (1, 0)
        assert doubtful.progress.doubts == ["2 objects came, 3 were announced"]
        assert doubtful.progress.missing_keys == ["FR/CPO/c"]
        assert len(await stored(hub, "tariffs", "cpo")) == 3
        cpo.total = lambda _count: None
        certain = await pull(hub, "tariffs", kind="FULL")
    assert (certain.progress.missing, certain.progress.dropped) == (1, 1)
    assert list(await stored(hub, "tariffs", "cpo")) == ["A", "B"]


async def test_a_list_without_links_is_read_by_its_total(hub: HubInProcess) -> None:
    cpo = ListingPartner({"locations": locations(5)}, link="")
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        done = await pull(hub)
    assert (done.state, done.progress.new, done.progress.findings) == ("DONE", 5, {"link_missing": 2})


async def test_a_limit_that_is_refused_is_left_out(hub: HubInProcess) -> None:
    refused = http_answer(enveloped(None, status_code=2001, status_message="limit is unknown"))
    cpo = ListingPartner({"locations": locations(3)}, plan=[refused])
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        done = await pull(hub)
    assert cpo.targets[:2] == ["/sender/locations?limit=2", "/sender/locations"]
    assert (done.state, done.progress.new) == ("DONE", 3)


async def test_what_is_no_list_deletes_nothing(hub: HubInProcess) -> None:
    cpo = ListingPartner({"tariffs": [ocpi_bodies.tariff()]})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await pull(hub, "tariffs")
        cpo.plan = [http_answer(enveloped({"tariffs": []}))]
        failed = await pull(hub, "tariffs", kind="FULL")
    assert (failed.state, failed.last_error) == ("FAILED", "the answer's data is no list")
    assert len(await stored(hub, "tariffs", "cpo")) == 1


async def test_objects_twice_and_changes_while_it_is_read(hub: HubInProcess) -> None:
    """An object is inserted in front between two pages: the pages shift, one object comes twice."""

    def insert(partner: ListingPartner, offset: int) -> None:
        if offset == 2 and len(partner.objects["locations"]) == 4:
            partner.objects["locations"].insert(0, *locations(1, first=9))

    cpo = ListingPartner({"locations": locations(4)}, on_page=insert)
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        done = await pull(hub)
    assert (done.state, done.progress.duplicates, done.progress.new) == ("DONE", 1, 4)
    assert list(await stored(hub, "locations", "cpo")) == names(1, 2, 3, 4)


async def test_a_list_that_shrinks_while_it_is_read_is_read_again(hub: HubInProcess) -> None:
    """An object vanishes in front between two pages: the one that moved to the page before would be missed, and
    dropped as missing."""

    def remove(partner: ListingPartner, offset: int) -> None:
        if offset == 2 and len(partner.objects["tariffs"]) == 6:
            partner.objects["tariffs"].pop(0)

    cpo = ListingPartner({"tariffs": [ocpi_bodies.tariff(id=name) for name in "ABCDEF"]})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await pull(hub, "tariffs")
        cpo.on_page = remove
        done = await pull(hub, "tariffs", kind="FULL")
    assert (done.state, done.progress.restarts, done.progress.missing) == ("DONE", 1, 1)
    assert list(await stored(hub, "tariffs", "cpo")) == ["B", "C", "D", "E", "F"]


async def test_missing_tokens_become_invalid_and_come_back(hub: HubInProcess) -> None:
    emsp = ListingPartner({"tokens": [ocpi_bodies.token("DE-AAA", uid=name) for name in "ABC"]})
    async with ScriptedPartner(emsp) as partner:
        await listen_at(hub, "aaa", partner.url)
        await pull(hub, "tokens", "aaa")
        gone = emsp.objects["tokens"].pop(0)
        done = await pull(hub, "tokens", "aaa", "FULL")
        assert (done.progress.missing, done.progress.dropped) == (1, 1)
        assert [t["valid"] for t in (await stored(hub, "tokens", "aaa")).values()] == [False, True, True]
        emsp.objects["tokens"].append(gone)
        await pull(hub, "tokens", "aaa", "FULL")
    assert [t["valid"] for t in (await stored(hub, "tokens", "aaa")).values()] == [True, True, True]


async def test_missing_locations_are_hidden_and_come_back(hub: HubInProcess) -> None:
    cpo = ListingPartner({"locations": locations(4)})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await pull(hub)
        gone = cpo.objects["locations"].pop(0)
        await pull(hub, kind="FULL")
        assert await listed(hub) == names(2, 3, 4)
        cpo.objects["locations"].append(gone)
        await pull(hub, kind="FULL")
    assert await listed(hub) == names(1, 2, 3, 4)


async def listed(hub: HubInProcess) -> list[str]:
    rows = await hub.services.database.reader.fetch(
        "SELECT object_id FROM locations WHERE source = 'cpo' AND is_listed = true ORDER BY key"
    )
    return [row[0] for row in rows]


async def test_missing_cdrs_are_shown_and_kept(hub: HubInProcess) -> None:
    cpo = ListingPartner({"cdrs": [ocpi_bodies.cdr(id=name, session_id=name) for name in "ABC"]})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await pull(hub, "cdrs")
        cpo.objects["cdrs"].pop()
        cpo.objects["cdrs"][0] = ocpi_bodies.cdr(id="A", session_id="A", total_energy=9)
        done = await pull(hub, "cdrs", kind="FULL")
    assert (done.progress.missing, done.progress.dropped, done.progress.missing_keys) == (1, 0, ["FR/CPO/c"])
    assert "a CDR never changes" in next(iter(done.progress.reasons))
    assert len(await stored(hub, "cdrs", "cpo")) == 3


async def test_a_list_that_is_suddenly_empty_deletes_nothing(hub: HubInProcess) -> None:
    cpo = ListingPartner({"tariffs": [ocpi_bodies.tariff(id=f"T{n}") for n in range(20)]}, page_size=50)
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        hub.services = replace(hub.services, pulling=replace(FAST, page_size=50))
        await pull(hub, "tariffs")
        cpo.objects["tariffs"] = []
        done = await pull(hub, "tariffs", kind="FULL")
    assert (done.state, done.progress.missing, done.progress.dropped) == ("DONE", 20, 0)
    assert "more than half" in done.progress.doubts[0]
    assert len(await stored(hub, "tariffs", "cpo")) == 20


async def test_without_an_agreement_nothing_is_pulled(hub: HubInProcess) -> None:
    from roaming.model.identifiers import PartyId
    from roaming.partners import registry

    cpo = ListingPartner({"locations": locations(1)})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        await puller_of(hub.services).look_at_directory()
        async with hub.services.database.work() as work:
            await registry.agree(work, cpo=PartyId("FR", "CPO"), emsp=PartyId("DE", "HME"), is_active=False)
        off = await pull(hub)
        assert (off.state, off.due_at, off.last_error) == ("OFF", None, "no agreement is in force")
        async with hub.services.database.work() as work:
            await registry.agree(work, cpo=PartyId("FR", "CPO"), emsp=PartyId("DE", "HME"))
        assert (await pull(hub)).state == "DONE"


async def test_the_worker_pulls_after_a_registration_and_by_night(hub: HubInProcess, clock: HeldClock) -> None:
    cpo = ListingPartner({"locations": locations(3)})
    async with ScriptedPartner(cpo) as partner:
        await listen_at(hub, "cpo", partner.url)
        running = asyncio.create_task(puller_of(hub.services).run())
        await _until_done(hub, 4)
        assert sum("date_from" not in target for target in cpo.targets) == 4, "locations, twice, tariffs and CDRs"
        cpo.asked.clear()
        clock.at += timedelta(days=1)
        await _until_done(hub, 4, kind="DELTA")
        assert cpo.targets[0].startswith("/sender/tariffs?")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _until_done(hub: HubInProcess, count: int, kind: str = "FULL") -> None:
    async with asyncio.timeout(20):
        while True:
            pulls = await state.all_pulls(hub.services.database.reader, "cpo")
            if sum(found.state == "DONE" and found.kind == kind for found in pulls) == count:
                return
            await asyncio.sleep(0.02)


def test_the_night_is_spread_and_the_week_has_one_full_pull() -> None:
    pace = PullPace()
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    nights = {schedule.next_night(now, pace, schedule.share_of(f"partner-{n}", "locations")) for n in range(50)}
    assert len(nights) == 50
    assert min(nights) >= datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    assert max(nights) < datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
    at, full_at, kinds = now, None, []
    for _ in range(15):
        kind = schedule.kind_due(at, pace, full_at)
        full_at = at if kind == "FULL" else full_at
        kinds.append(kind)
        at = schedule.next_night(at, pace, 0.5)
    assert [number for number, kind in enumerate(kinds) if kind == "FULL"] == [0, 7, 14]
