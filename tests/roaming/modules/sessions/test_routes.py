from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.partners import registry
from tests.kit.hub_in_process import RECEIVER, SENDER, HubInProcess
from tests.kit.ocpi_bodies import cdr_token, period, session

S1 = f"{RECEIVER}/sessions/FR/CPO/S1"
LATER = "2026-11-23T11:00:00Z"
SINCE = "date_from=2020-01-01T00:00:00Z"


async def test_what_is_put_is_got(hub: HubInProcess) -> None:
    assert (await hub.call("cpo", "PUT", S1, body=session())).outcome == (201, 1000)
    assert (await hub.call("cpo", "PUT", S1, body=session())).outcome == (200, 1000)
    assert (await hub.call("cpo", "GET", S1)).data == session()


async def test_a_patch_adds_periods_and_a_repeat_doubles_nothing(hub: HubInProcess) -> None:
    await hub.call("cpo", "PUT", S1, body=session())
    change = {"kwh": 3, "charging_periods": [period("2026-11-23T10:30:00Z")], "last_updated": LATER}
    for _ in range(2):
        assert (await hub.call("cpo", "PATCH", S1, body=change)).outcome == (200, 1000)
    stored = (await hub.call("cpo", "GET", S1)).data
    assert stored["kwh"] == 3
    starts = [entry["start_date_time"] for entry in stored["charging_periods"]]
    assert starts == ["2026-11-23T10:00:00Z", "2026-11-23T10:30:00Z"]


async def test_a_patch_needs_last_updated_and_keeps_the_driver(hub: HubInProcess) -> None:
    await hub.call("cpo", "PUT", S1, body=session())
    answer = await hub.call("cpo", "PATCH", S1, body={"kwh": 3})
    assert (answer.outcome, answer.message.startswith("last_updated")) == ((200, 2001), True)
    change = {"cdr_token": cdr_token("DE-HME", "OTHER"), "last_updated": LATER}
    assert (await hub.call("cpo", "PATCH", S1, body=change)).outcome == (200, 2001)
    assert (await hub.call("cpo", "GET", S1)).data == session()


async def test_a_session_of_nobodys_driver_is_refused(hub: HubInProcess) -> None:
    for emsp in ("DE-AAA", "XX-YYY"):
        answer = await hub.call("cpo", "PUT", S1, body=session(emsp=emsp))
        assert answer.outcome == (200, 2001)
        assert answer.message.startswith("cdr_token")


async def test_a_session_stays_with_its_drivers_emsp(hub: HubInProcess) -> None:
    other, cpo = PartyId("DE", "OTH"), PartyId("FR", "CPO")
    async with hub.services.database.work() as work:
        await registry.host_party(work, other, Role.EMSP, name="Other")
        await registry.agree(work, cpo=cpo, emsp=other)
    assert (await hub.call("cpo", "PUT", S1, body=session())).outcome == (201, 1000)
    answer = await hub.call("cpo", "PUT", S1, body=session(emsp="DE-OTH", last_updated=LATER))
    assert (answer.outcome, answer.message.split(":")[0]) == ((200, 2001), "cdr_token")
    assert (await hub.call("cpo", "GET", S1)).data == session()
    renewed = session(cdr_token=cdr_token("DE-HME", "RENEWED"), last_updated=LATER)
    assert (await hub.call("cpo", "PUT", S1, body=renewed)).outcome == (200, 1000)


async def test_the_list_without_date_from_is_the_callers_own_and_nothing_else(hub: HubInProcess) -> None:
    answer = await hub.call("aaa", "GET", f"{SENDER}/sessions")
    assert answer.outcome == (200, 1000)
    assert [s["id"] for s in answer.data] == ["OURS-AAA"]
    assert [s["id"] for s in (await hub.call("aaa", "GET", f"{SENDER}/sessions?{SINCE}")).data] == ["OURS-AAA"]


async def test_the_list_is_followed_to_its_end(hub: HubInProcess) -> None:
    for number in range(9):
        await hub.host_charge("DE-AAA", f"MORE-{number}")
    pages = await hub.pages("aaa", f"{SENDER}/sessions?{SINCE}&limit=4")
    assert [len(page.data) for page in pages] == [4, 4, 2]
    assert len({entry["id"] for page in pages for entry in page.data}) == 10
