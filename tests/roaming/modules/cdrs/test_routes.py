from tests.kit.hub_in_process import PUBLIC_URL, RECEIVER, SENDER, HubInProcess
from tests.kit.ocpi_bodies import cdr

CDRS = f"{RECEIVER}/cdrs"


async def test_a_cdr_is_taken_once_and_found_at_its_location(hub: HubInProcess) -> None:
    first = await hub.call("cpo", "POST", CDRS, body=cdr())
    assert first.outcome == (201, 1000)
    address = first.headers["location"]
    assert address == f"{PUBLIC_URL}{CDRS}/FR/CPO/C1"
    stored = await hub.call("cpo", "GET", address)
    assert stored.data == cdr()
    again = await hub.call("cpo", "POST", CDRS, body=cdr())
    assert again.outcome == (200, 1000)
    assert again.headers["location"] == address


async def test_another_cdr_under_the_same_id_is_refused_and_the_first_kept(hub: HubInProcess) -> None:
    first = await hub.call("cpo", "POST", CDRS, body=cdr())
    other = await hub.call("cpo", "POST", CDRS, body=cdr(total_energy=99))
    assert other.outcome == (200, 2001)
    assert other.message.startswith("id:")
    assert (await hub.call("cpo", "GET", first.headers["location"])).data == cdr()


async def test_a_cdr_never_changes(hub: HubInProcess) -> None:
    address = (await hub.call("cpo", "POST", CDRS, body=cdr())).headers["location"]
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        assert (await hub.call("cpo", method, address, body=cdr())).outcome == (405, 2000)


async def test_a_cdr_of_another_party_or_for_nobodys_driver_is_refused(hub: HubInProcess) -> None:
    for body in (cdr("FR-RIV"), cdr("NL-HUB"), cdr(emsp="DE-AAA"), cdr(emsp="XX-YYY")):
        assert (await hub.call("cpo", "POST", CDRS, body=body)).outcome == (200, 2001)


async def test_only_a_credit_may_be_negative(hub: HubInProcess) -> None:
    negative = {"total_cost": {"excl_vat": -0.45, "incl_vat": -0.54}}
    answer = await hub.call("cpo", "POST", CDRS, body=cdr(**negative))
    assert (answer.outcome, answer.message.split(":")[0]) == ((200, 2001), "total_cost")
    credit = cdr(id="C1-CREDIT", credit=True, **negative)
    answer = await hub.call("cpo", "POST", CDRS, body=credit)
    assert (answer.outcome, answer.message.split(":")[0]) == ((200, 2001), "credit_reference_id")
    credit["credit_reference_id"] = "C1"
    assert (await hub.call("cpo", "POST", CDRS, body=credit)).outcome == (201, 1000)


async def test_the_list_is_followed_to_its_end(hub: HubInProcess) -> None:
    for number in range(6):
        await hub.host_charge("DE-AAA", f"MORE-{number}")
    pages = await hub.pages("aaa", f"{SENDER}/cdrs?limit=3")
    assert [len(page.data) for page in pages] == [3, 3, 1]
    assert {page.headers["x-total-count"] for page in pages} == {"7"}
    assert (await hub.call("aaa", "GET", f"{SENDER}/cdrs?date_from=2099-01-01T00:00:00Z")).data == []
