"""Addresses of ours that stand for a partner's: results, next pages, records."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from roaming.app import create_app, open_services
from roaming.settings import Settings
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import PUBLIC_URL
from tests.kit.passing import Neighbour, Passing, parties_in, passing_hub
from tests.kit.scripted_partner import Received, enveloped, http_answer

VERSIONS = [("2.2.1", "2.2.1"), ("2.1.1", "2.3.0"), ("2.3.0", "2.1.1"), ("2.2.1", "2.3.0")]


@pytest.fixture
async def equal(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Passing]:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.2.1", ms2="2.2.1") as passing:
        yield passing


def result_of(partner: Neighbour, word: str) -> dict[str, Any]:
    return {"result": word} if partner.speech.version == "2.1.1" else {"result": word, "message": [TEXT]}


TEXT = {"language": "en", "text": "the plug is out"}


async def started(passing: Passing) -> str:
    """The address at which the CPO is asked to tell the result."""
    stored = await passing.ope.push("PUT", "locations", "L1", body=passing.ope.speech.location("ES-OPE"))
    assert stored.code == 1000  # 2.1.1 names no receiver: the location says whose it is
    url = f"{passing.msp.door.url}/results/1?x=1"
    body = passing.msp.speech.start_session("IT-MSP", response_url=url, location_id="L1", evse_uid="E1")
    passing.ope.says_data({"result": "ACCEPTED", "timeout": 20})
    path = f"{passing.msp.speech.receiver('commands')}/START_SESSION"
    answer = await passing.msp.call("POST", path, to=passing.ope, body=body)
    assert answer.data["result"] == "ACCEPTED", answer.text
    assert ("timeout" in answer.data) == (passing.msp.speech.version != "2.1.1")
    ours: str = passing.ope.last_body["response_url"]
    assert ours.startswith(f"{PUBLIC_URL}/{passing.ope.speech.version}/")
    return ours


@pytest.mark.parametrize(("cpo", "emsp"), VERSIONS)
async def test_a_result_comes_back_once_in_the_version_of_whoever_asked(
    sqlite_url: str, tmp_path: Path, cpo: str, emsp: str
) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope=cpo, msp=emsp) as passing:
        ours = await started(passing)
        body = result_of(passing.ope, "REJECTED")
        first = await passing.ope.call("POST", ours, to=passing.msp, body=body)
        again = await passing.ope.call("POST", ours, to=passing.msp, body=body)
        assert (first.code, again.code) == (1000, 1000), first.text
        (told,) = passing.msp.asked
        assert (told.method, told.target) == ("POST", "/results/1?x=1")
        assert passing.msp.last_body["result"] == "REJECTED"
        assert ("message" in passing.msp.last_body) == ("2.1.1" not in (cpo, emsp))
        if emsp != "2.1.1":
            assert parties_in(told.headers) == ("ES-OPE", "IT-MSP")


async def test_a_result_in_an_envelope_is_passed_on_bare(equal: Passing) -> None:
    ours = await started(equal)
    answer = await equal.ope.call("POST", ours, to=equal.msp, content=enveloped({"result": "ACCEPTED"}))
    assert answer.code == 1000
    assert equal.msp.last_body == {"result": "ACCEPTED"}


async def test_an_address_is_good_for_the_partner_that_got_it_only(equal: Passing) -> None:
    ours = await started(equal)
    for stranger in (equal.ms2, equal.msp):
        answer = await stranger.call("POST", ours, body={"result": "ACCEPTED"})
        assert answer.outcome == (404, 2000)
    assert equal.msp.asked == []


async def test_a_result_that_could_not_be_passed_on_may_be_told_again(equal: Passing) -> None:
    ours = await started(equal)
    equal.msp.says = lambda _: http_answer(b"oops", status="500 Internal Server Error")
    assert (await equal.ope.call("POST", ours, body={"result": "ACCEPTED"})).outcome == (200, 4003)
    equal.msp.says_data(None)
    assert (await equal.ope.call("POST", ours, body={"result": "ACCEPTED"})).code == 1000
    assert len(equal.msp.asked) == 2


async def test_a_result_that_was_being_passed_on_when_the_process_was_killed_may_be_told_again(equal: Passing) -> None:
    ours = await started(equal)
    services = equal.hub.services
    for claimed, code in ((timedelta(seconds=5), 4000), (timedelta(seconds=90), 1000)):
        at = services.clock.now() - claimed
        async with services.database.work() as work:
            await work.connection.execute(
                text("UPDATE hub_callbacks SET state = 'CLAIMED', claimed_at = :at"),
                {"at": at.isoformat(timespec="microseconds")[:26] + "Z"},
            )
        assert (await equal.ope.call("POST", ours, body={"result": "ACCEPTED"})).code == code


async def test_an_address_ends(equal: Passing) -> None:
    ours = await started(equal)
    async with equal.hub.services.database.work() as work:
        await work.connection.execute(text("UPDATE hub_callbacks SET expires_at = '2020-01-01T00:00:00.000000Z'"))
    assert (await equal.ope.call("POST", ours, body={"result": "ACCEPTED"})).outcome == (404, 2000)


async def test_a_result_is_told_to_whoever_asked_at_its_own_address_only(equal: Passing) -> None:
    for url in ("http://127.0.0.2:9/results", "http://10.0.0.1/x", "ftp://127.0.0.1/"):
        body = ocpi_bodies.start_session("IT-MSP", response_url=url)
        answer = await equal.msp.call("POST", "/2.2.1/receiver/commands/START_SESSION", to=equal.ope, body=body)
        assert answer.outcome == (200, 2001)
        assert "response_url" in answer.message
    assert equal.ope.asked == []


async def test_a_driver_of_somebody_else_cannot_be_named(equal: Passing) -> None:
    body = ocpi_bodies.start_session("IT-MS2", response_url=f"{equal.msp.door.url}/r")
    answer = await equal.msp.call("POST", "/2.2.1/receiver/commands/START_SESSION", to=equal.ope, body=body)
    assert answer.outcome == (200, 2001)
    assert equal.ope.asked == []


async def test_a_command_that_the_other_version_lacks_is_not_supported(sqlite_url: str, tmp_path: Path) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope="2.1.1", msp="2.2.1") as passing:
        body = ocpi_bodies.cancel_reservation(response_url=f"{passing.msp.door.url}/r")
        path = "/2.2.1/receiver/commands/CANCEL_RESERVATION"
        answer = await passing.msp.call("POST", path, to=passing.ope, body=body)
        assert answer.data["result"] == "NOT_SUPPORTED"
        body = {"profile_type": "FAST"}
        path = "/2.2.1/sender/sessions/S1/charging_preferences"
        assert (await passing.msp.call("PUT", path, to=passing.ope, body=body)).outcome == (404, 2001)
        assert passing.ope.asked == []


def pages(partner: Neighbour, module_body: Any, *, link: str | None = None) -> None:
    """Two pages of one object each; the first leads to the second."""

    def says(request: Received) -> bytes:
        if "page=2" in request.target:
            return http_answer(enveloped([module_body(id="L2")]), X_Total_Count="2")
        following = link or f"{partner.door.url}/pages?page=2&secret=x"
        return http_answer(enveloped([module_body(id="L1")]), X_Total_Count="2", Link=f'<{following}>; rel="next"')

    partner.says = says


@pytest.mark.parametrize(("cpo", "emsp"), [("2.2.1", "2.2.1"), ("2.1.1", "2.3.0"), ("2.3.0", "2.2.1")])
async def test_the_pages_of_a_list_come_through_us(sqlite_url: str, tmp_path: Path, cpo: str, emsp: str) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope=cpo, msp=emsp, ms2=emsp) as passing:
        pages(passing.ope, lambda **values: passing.ope.speech.location("ES-OPE", **values))
        path = f"{passing.msp.speech.sender('locations')}?limit=1"
        found = await passing.hub.pages("msp", path, headers=passing.msp.headers(passing.ope))
        assert [location["id"] for answer in found for location in answer.data] == ["L1", "L2"]
        assert found[0].data[0]["country_code"] == "ES"
        assert found[1].headers["x-total-count"] == "2"
        assert [request.target.split("?")[-1] for request in passing.ope.asked] == ["limit=1", "page=2&secret=x"]
        link = found[0].headers["link"]
        assert "secret" not in link
        stranger = await passing.ms2.call("GET", link[1 : link.index(">")], to=passing.ope)
        assert stranger.outcome == (404, 2000)


async def test_a_page_at_another_host_is_never_followed(equal: Passing) -> None:
    pages(
        equal.ope, lambda **values: ocpi_bodies.location("ES-OPE", **values), link=f"{equal.ms2.door.url}/pages?page=2"
    )
    answer = await equal.msp.call("GET", "/2.2.1/sender/locations", to=equal.ope)
    assert answer.outcome == (200, 4000)
    assert "link" not in answer.headers
    assert equal.ms2.asked == []


@pytest.mark.parametrize("location", ["{url}/kept/C1", "/kept/C1"])
async def test_where_a_cdr_is_kept_is_an_address_of_ours(equal: Passing, location: str) -> None:
    cdr = ocpi_bodies.cdr("ES-OPE", "IT-MSP", x_own=[1])
    headers = {"Location": location.format(url=equal.msp.door.url)}
    equal.msp.says = lambda _: http_answer(enveloped(None), status="201 Created", **headers)
    posted = await equal.ope.call("POST", "/2.2.1/receiver/cdrs", to=equal.msp, body=cdr)
    assert posted.http_status == 201
    ours = posted.headers["location"]
    assert ours.startswith(PUBLIC_URL)
    equal.msp.says_data(cdr)
    got = await equal.ope.call("GET", ours, to=equal.msp)
    assert got.data == cdr
    assert equal.msp.last.target == "/kept/C1"
    assert (await equal.ms2.call("GET", ours)).outcome == (404, 2000)


async def test_a_cdr_kept_at_another_host_is_not_looked_up(equal: Passing) -> None:
    equal.msp.says = lambda _: http_answer(enveloped(None), Location=f"{equal.ms2.door.url}/C1")
    posted = await equal.ope.call(
        "POST", "/2.2.1/receiver/cdrs", to=equal.msp, body=ocpi_bodies.cdr("ES-OPE", "IT-MSP")
    )
    assert posted.code == 1000
    assert "location" not in posted.headers


async def test_addresses_work_after_a_restart(sqlite_url: str, tmp_path: Path) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.2.1") as passing:
        ours = await started(passing)
        settings = Settings(
            data_dir=tmp_path,
            database_url=sqlite_url,
            secret="5e" * 32,
            public_url=PUBLIC_URL,
            allowed_networks=("127.0.0.0/8",),
            is_http_allowed=True,
        )
        async with open_services(settings) as services:
            transport = httpx.ASGITransport(create_app(services))
            async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
                passing.hub._client = client
                answer = await passing.ope.call("POST", ours, body={"result": "ACCEPTED"})
        assert answer.code == 1000
        assert passing.msp.last.target == "/results/1?x=1"
