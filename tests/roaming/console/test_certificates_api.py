"""Stations' certificates over HTTP: requested, signed here or elsewhere, listed, revoked."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.messages import CertificateRequested, OperationRequested, StationAccountChanged
from contracts.messages.operation import SendCertificate
from roaming.console.certificates_api import ROUTES
from roaming.operations.authority import create_authority
from roaming.operations.projection import handle
from roaming.partners.operators import add_operator
from tests.kit.admitting import NETWORK, admitted, received
from tests.kit.certificates import Authority, make_signing_request
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.outbox import waiting
from tests.roaming.console.test_stations_api import TOKEN, call


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    certificate, key = create_authority(tmp_path / "authority", "Example Charging", now=datetime.now(UTC))
    async with hub_in_process(
        sqlite_url, tmp_path, authority_certificate=str(certificate), authority_key=str(key)
    ) as running:
        async with running.services.database.work() as work:
            await add_operator(work, "anna", running.services.secrets.digest(TOKEN))
        await admitted(running.services.database, "CS-1", "CS-2")
        yield running


async def request(hub: HubInProcess, text: str) -> None:
    message = CertificateRequested(network=NETWORK, station_id="CS-1", signing_request=text, request_id=7)
    async with hub.services.database.work() as work:
        await handle(work, [received(message)])


async def certificates(hub: HubInProcess, query: str = "") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await call(hub, "GET", f"/api/certificates{query}")).json()["certificates"]
    return listed


async def test_one_is_signed_listed_and_revoked(hub: HubInProcess) -> None:
    await request(hub, make_signing_request("CS-1")[0])
    answer = await call(hub, "POST", "/api/operations", {"stations": ["CS-1"], "kind": "SIGN_CERTIFICATE"})
    assert answer.status_code == 202, answer.text
    (made,) = await certificates(hub, "?station=CS-1")
    assert (made["station"], made["shown_at"], made["revoked_at"]) == ("CS-1", "", "")
    assert await certificates(hub, "?station=CS-2") == await certificates(hub, "?days=30") == []
    body = {"certificate": made["certificate"][:8], "why": "stolen"}
    answer = await call(hub, "POST", "/api/stations/CS-1/revocations", body)
    assert [one["revoked_by"] for one in answer.json()["revoked"]] == [""], "as it was until now"
    assert (await certificates(hub))[0]["revoked_by"] == "api:anna"
    told = [message for _, message in await waiting(hub.services.database, StationAccountChanged)]
    assert told[-1].revoked_certificates == (made["certificate"],)
    assert (await call(hub, "POST", "/api/stations/CS-1/revocations", body)).status_code == 404


async def test_one_is_requested_here_and_signed_by_another_authority(hub: HubInProcess, tmp_path: Path) -> None:
    text, _ = make_signing_request("CS-1")
    await request(hub, text)
    told = (await call(hub, "GET", "/api/stations/cs-1/certificate-request")).json()
    assert (told["csr"], told["request_id"], told["status"]) == (text, 7, "WAITING")
    other = Authority.make(tmp_path)
    order = {"stations": ["CS-1"], "kind": "SEND_CERTIFICATE"}
    for chain, fault in (
        ("no PEM", "chain: certificates in PEM"),
        (other.sign(make_signing_request("CS-1")[0]), "has not requested a certificate for"),
        (other.sign(make_signing_request("CS-2")[0]), "common name"),
    ):
        answer = await call(hub, "POST", "/api/operations", order | {"chain": chain})
        (record,) = answer.json()["operations"]
        assert (record["outcome"], fault in record["detail"]) == ("REJECTED", True), record
    chain = other.sign(text)
    await call(hub, "POST", "/api/operations", order | {"chain": chain})
    ((_, sent),) = await waiting(hub.services.database, OperationRequested)
    assert sent.operation == SendCertificate(chain=chain, request_id=7)
    answer = await call(hub, "GET", "/api/stations/CS-1/certificate-request")
    assert answer.status_code == 404, "it has been answered"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("GET", "/api/certificates?days=x", None, 400, "days"),
        ("GET", "/api/certificates?station=CS-9", None, 404, "CS-9"),
        ("GET", "/api/stations/CS-9/certificate-request", None, 404, "CS-9"),
        ("GET", "/api/stations/CS-1/certificate-request", None, 404, "TRIGGER"),
        ("POST", "/api/stations/CS-1/revocations", {}, 400, "certificate"),
        ("POST", "/api/stations/CS-1/revocations", {"certificate": "aa", "all": True}, 400, "certificate"),
        ("POST", "/api/stations/CS-1/revocations", {"all": True}, 404, "certificate list"),
        ("POST", "/api/stations/CS-9/revocations", {"all": True}, 404, "CS-9"),
    ],
)
async def test_mistakes_are_named(
    hub: HubInProcess, method: str, path: str, body: Any, status: int, named: str
) -> None:
    answer = await call(hub, method, path, body)
    assert (answer.status_code, named in answer.text) == (status, True), answer.text


async def test_nobody_else_is_answered(hub: HubInProcess) -> None:
    for path, method, _ in ROUTES:
        for token in (hub.tokens["aaa"], "", "wrong"):
            answer = await call(hub, method, path.replace("{station_id}", "CS-1"), {}, token=token)
            assert answer.status_code == 401
