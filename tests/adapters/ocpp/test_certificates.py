"""A station requests a certificate and is given it, in each version of OCPP, over a real socket."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.kit.manifest import OperationResult
from contracts.messages import CertificateRequested, OperationRequested, StationConnected
from contracts.messages.operation import (
    AnyOperation,
    SendCertificate,
    Trigger,
)
from contracts.messages.trust import (
    CertificatesTold,
    DeleteCertificate,
    GetInstalledCertificates,
    InstallCertificate,
    InstalledCertificate,
)
from contracts.vocabulary import CertificatePurpose, OperationOutcome, TriggeredMessage
from tests.adapters.ocpp.conftest import PASSWORD, Hub
from tests.kit.certificates import Authority, make_certificate, make_signing_request, write_key
from tests.kit.raw_station import RawStation

pytestmark = pytest.mark.ocpp_exchange

VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")


async def connected(hub: Hub, version: str) -> RawStation:
    return await (hub.station("CS-1") if version == "ocpp1.6" else hub.station2("CS-1", version=version))


def asked(operation: AnyOperation) -> OperationRequested:
    return OperationRequested(
        operation_id="o-1",
        instance="test-1",
        epoch=1,
        network="demo",
        station_id="CS-1",
        deadline=datetime.now(UTC) + timedelta(seconds=20),
        operation=operation,
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_request_is_taken_where_the_operator_signs(hub: Hub, version: str) -> None:
    await hub.start(signs_certificates=True)
    station = await connected(hub, version)
    request, _ = make_signing_request("CS-1")
    numbered = {"requestId": 9} if version == "ocpp2.1" else {}
    assert await station.call("SignCertificate", {"csr": request, **numbered}) == {"status": "Accepted"}
    (told,) = hub.facts.of(CertificateRequested)
    assert (told.signing_request, told.objection) == (request, None)
    assert told.request_id == numbered.get("requestId")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("settings", "fault", "objection"),
    [
        ({}, "", "signs_certificates is off"),
        ({"signs_certificates": True}, "another's name", "common name must be the station's identity"),
        ({"signs_certificates": True}, "another key's signature", "not signed with the key"),
        ({"signs_certificates": True}, "no PEM", "no certificate signing request"),
    ],
)
async def test_a_request_is_refused_and_told_with_the_reason(
    hub: Hub, version: str, settings: dict[str, Any], fault: str, objection: str
) -> None:
    await hub.start(**settings)
    station = await connected(hub, version)
    name = "CS-2" if fault == "another's name" else "CS-1"
    request, _ = make_signing_request(name, is_broken=fault == "another key's signature")
    csr = "PEM" if fault == "no PEM" else request
    assert await station.call("SignCertificate", {"csr": csr}) == {"status": "Rejected"}
    (told,) = hub.facts.of(CertificateRequested)
    assert objection in (told.objection or "")


async def test_certificates_for_contracts_are_not_signed(hub: Hub) -> None:
    await hub.start(signs_certificates=True)
    station = await connected(hub, "ocpp2.0.1")
    csr, _ = make_signing_request("CS-1")
    asked_for = {"csr": csr, "certificateType": "V2GCertificate"}
    assert await station.call("SignCertificate", asked_for) == {"status": "Rejected"}
    (told,) = hub.facts.of(CertificateRequested)
    assert "15118" in (told.objection or "")


async def test_a_station_comes_with_the_certificate_that_it_was_given(hub: Hub, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    served = make_certificate(tmp_path, "hub")
    await hub.start(
        signs_certificates=True,
        tls_certificate=served[0],
        tls_key=served[1],
        tls_client_authorities=authority.path,
    )
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    trust = ssl.create_default_context(cafile=str(served[0]))
    station = await hub.dial("CS-1", password=PASSWORD, ssl=trust)
    await station.boot()
    request, own_key = make_signing_request("CS-1")
    assert await station.call("SignCertificate", {"csr": request}) == {"status": "Accepted"}
    station.commands["CertificateSigned"] = lambda _: {"status": "Accepted"}
    chain = authority.sign(request)
    await hub.fakes.commands.ask(asked(SendCertificate(chain=chain)))
    given = tmp_path / "given.pem"
    given.write_text(station.got[-1][1]["certificateChain"])
    trust.load_cert_chain(given, write_key(tmp_path / "given.key", own_key))
    again = await hub.dial("CS-1", ssl=trust)
    assert (await again.boot())["status"] == "Accepted"
    assert [told.security_profile for told in hub.facts.of(StationConnected)] == [2, 3]


DIGESTS = {"hash_algorithm": "SHA256", "issuer_name_hash": "0a", "issuer_key_hash": "0b", "serial_number": "7B"}
DATA = {"hashAlgorithm": "SHA256", "issuerNameHash": "0a", "issuerKeyHash": "0b", "serialNumber": "7B"}
OTHER = DATA | {"serialNumber": "7C"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_installed_is_told(hub: Hub, version: str) -> None:
    station = await connected(hub, version)

    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        if version == "ocpp1.6":
            is_ours = payload["certificateType"] == "CentralSystemRootCertificate"
            return {"status": "Accepted", "certificateHashData": [DATA, OTHER]} if is_ours else {"status": "NotFound"}
        chain = {"certificateType": "CSMSRootCertificate", "certificateHashData": DATA}
        return {"status": "Accepted", "certificateHashDataChain": [chain | {"childCertificateHashData": [OTHER]}]}

    station.commands["GetInstalledCertificateIds"] = answer
    result = await hub.fakes.commands.ask(asked(GetInstalledCertificates()))
    one = InstalledCertificate(purpose=CertificatePurpose.CENTRAL_SYSTEM, **DIGESTS)
    other = msgspec.structs.replace(one, serial_number="7C")
    assert result == OperationResult(
        outcome=OperationOutcome.ACCEPTED, told=CertificatesTold(certificates=(one, other))
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_was_not_done_is_said(hub: Hub, version: str) -> None:
    station = await connected(hub, version)
    station.commands["DeleteCertificate"] = lambda _: {"status": "NotFound"}
    station.commands["InstallCertificate"] = lambda _: {"status": "Failed"}
    delete = await hub.fakes.commands.ask(asked(DeleteCertificate(**DIGESTS)))
    assert (delete.outcome, delete.detail) == (OperationOutcome.UNKNOWN, "NotFound")
    outcomes = [
        (await hub.fakes.commands.ask(asked(InstallCertificate(purpose=purpose, certificate="PEM")))).outcome.value
        for purpose in (CertificatePurpose.MANUFACTURER, CertificatePurpose.V2G, CertificatePurpose.VEHICLES)
    ]
    unknown = {"ocpp1.6": 2, "ocpp2.0.1": 1, "ocpp2.1": 0}[version]
    assert outcomes == ["FAILED"] * (3 - unknown) + ["NOT_SUPPORTED"] * unknown
    chain = InstallCertificate(purpose=CertificatePurpose.V2G_CHAIN, certificate="PEM")
    refused = await hub.fakes.commands.ask(asked(chain))
    assert "SEND_CERTIFICATE" in (refused.detail or "")


TYPED = {"certificateChain": "PEM", "certificateType": "ChargingStationCertificate"}


@pytest.mark.parametrize(
    ("version", "payload"),
    [("ocpp1.6", {"certificateChain": "PEM"}), ("ocpp2.0.1", TYPED), ("ocpp2.1", TYPED | {"requestId": 9})],
)
@pytest.mark.parametrize("word", ["Accepted", "Rejected"])
async def test_the_certificate_is_sent(hub: Hub, version: str, payload: dict[str, Any], word: str) -> None:
    station = await connected(hub, version)
    station.commands["CertificateSigned"] = lambda _: {"status": word}
    result = await hub.fakes.commands.ask(asked(SendCertificate(chain="PEM", request_id=9)))
    assert ("CertificateSigned", payload) in station.got
    assert (result.outcome, result.detail) == (OperationOutcome(word.upper()), word)


@pytest.mark.parametrize("version", VERSIONS[1:])
@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("Accepted", OperationOutcome.ACCEPTED),
        ("NotImplemented", OperationOutcome.NOT_SUPPORTED),
    ],
)
async def test_a_request_is_asked_for(hub: Hub, version: str, word: str, outcome: OperationOutcome) -> None:
    station = await connected(hub, version)
    station.commands["TriggerMessage"] = lambda _: {"status": word}
    result = await hub.fakes.commands.ask(asked(Trigger(what=TriggeredMessage.CERTIFICATE_REQUEST)))
    assert ("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}) in station.got
    assert result.outcome is outcome
