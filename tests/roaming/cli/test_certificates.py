"""``roaming station certificate``: from the request to the end, as an operator types it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts.messages import CertificateRequested, StationConnected, trust
from contracts.messages import operation as op
from contracts.messages.station import ShownCertificate
from contracts.vocabulary import CertificatePurpose, TriggeredMessage
from roaming.operations.projection import handle
from roaming.stations import presence
from roaming.stations.securing import Demand, demand_of
from tests.kit.admitting import NETWORK, received
from tests.kit.certificates import Authority, make_signing_request
from tests.kit.hub_in_process import HubInProcess
from tests.roaming.cli.test_operating import answered, hub, roaming

__all__ = ["hub"]


async def test_a_request_is_taken_out_and_its_certificate_given(hub: HubInProcess, tmp_path: Path) -> None:
    text, _ = make_signing_request("CS-1")
    async with hub.services.database.work() as work:
        message = CertificateRequested(network=NETWORK, station_id="CS-1", signing_request=text)
        await handle(work, [received(message)])
    file, made = tmp_path / "request.pem", tmp_path / "made.pem"
    shown = await roaming("station", "certificate", "request", "cs-1")
    assert shown.output.strip() == text.strip()
    await roaming("station", "certificate", "request", "CS-1", "--out", str(file))
    made.write_text(Authority.make(tmp_path).sign(file.read_text()))
    result, (asked,) = await answered(hub, "certificate", "give", "CS-1", str(made))
    assert result.exit_code == 0, result.output
    assert asked.operation == op.SendCertificate(chain=made.read_text())
    missing = await roaming("station", "certificate", "give", "CS-1", str(tmp_path / "nowhere.pem"))
    assert (missing.exit_code, "nowhere.pem" in missing.output) == (1, True)
    none = await roaming("station", "certificate", "request", "CS-2")
    assert (none.exit_code, "certificate-request CS-2" in none.output) == (1, True)


async def test_what_stations_trust(hub: HubInProcess, tmp_path: Path) -> None:
    root = Authority.make(tmp_path).path
    result, (asked,) = await answered(hub, "certificate", "install", str(root), "CS-1")
    assert result.exit_code == 0, result.output
    purpose = CertificatePurpose.CENTRAL_SYSTEM
    assert asked.operation == trust.InstallCertificate(purpose=purpose, certificate=root.read_text())
    wrong = await roaming("station", "certificate", "install", str(tmp_path / "authority.key"), "CS-1")
    assert (wrong.exit_code, "certificate: one certificate in PEM" in wrong.output) == (1, True)
    wrong = await roaming("station", "certificate", "install", str(root), "CS-1", "--purpose", "fun")
    assert (wrong.exit_code, "purpose" in wrong.output) == (1, True)


async def test_what_is_installed_is_shown_and_deleted(hub: HubInProcess) -> None:
    digests = {"issuer_name_hash": "0a", "issuer_key_hash": "0b", "serial_number": "7B"}
    one = trust.InstalledCertificate(purpose=CertificatePurpose.V2G, hash_algorithm="SHA384", **digests)
    told = trust.CertificatesTold(certificates=(one,))
    result, (asked,) = await answered(hub, "certificate", "installed", "CS-1", "--purpose", "v2g", told=told)
    assert asked.operation == trust.GetInstalledCertificates(purposes=(CertificatePurpose.V2G,))
    for word in ("V2G", "SHA384", "0a", "0b", "7B"):
        assert word in result.output, result.output


async def test_one_is_deleted(hub: HubInProcess) -> None:
    words = ("--serial-number", "7B", "--issuer-name-hash", "0a", "--issuer-key-hash", "0b")
    _, (asked,) = await answered(hub, "certificate", "delete", "CS-1", *words)
    assert asked.operation == trust.DeleteCertificate(
        hash_algorithm="SHA256", issuer_name_hash="0a", issuer_key_hash="0b", serial_number="7B"
    )


async def test_a_profile_is_raised_and_demanded_once_the_station_has_come_with_it(hub: HubInProcess) -> None:
    for words, fault in (
        (("--profile", "2", "--url", "ws://hub.example/"), "url"),
        (("--profile", "3", "--url", "hub.example"), "url"),
    ):
        wrong = await roaming("station", "raise", "CS-1", *words)
        assert (wrong.exit_code, fault in wrong.output) == (1, True)
    _, (asked,) = await answered(hub, "raise", "CS-1", "--profile", "2", "--url", "wss://hub.example/")
    assert asked.operation == op.RaiseSecurityProfile(profile=2, url="wss://hub.example/")
    async with hub.services.database.reading() as connection:
        demand = await demand_of(connection, network=NETWORK, station_id="CS-1")
    assert demand == Demand(wanted=2, best=0)


async def test_what_ends_soon_is_warned_of_renewed_and_revoked(hub: HubInProcess) -> None:
    ends = datetime.now(UTC) + timedelta(days=10)
    certificate = ShownCertificate(fingerprint="ab" * 32, serial_number="7B", expires_at=ends)
    connected = StationConnected(
        network=NETWORK,
        station_id="CS-1",
        instance="adapter",
        epoch=2,
        protocol="ocpp1.6",
        security_profile=3,
        certificate=certificate,
    )
    async with hub.services.database.work() as work:
        await presence.handle(work, [received(connected)])
    findings = json.loads((await roaming("doctor", "--json")).output)
    (finding,) = [found for found in findings if found["check"] == "certificates of stations that end soon"]
    assert (finding["state"], f"CS-1 {ends:%Y-%m-%d}" in finding["detail"]) == ("warn", True)
    listed = json.loads((await roaming("station", "list", "--json")).output)
    assert [row["certificate until"] for row in listed] == [f"{ends:%Y-%m-%d}", ""]
    none = await roaming("station", "certificate", "renew", "--days", "5")
    assert (none.exit_code, "no certificate in use" in none.output) == (0, True)
    result, (asked,) = await answered(hub, "certificate", "renew")
    assert result.exit_code == 0, result.output
    assert (asked.station_id, asked.operation) == ("CS-1", op.Trigger(what=TriggeredMessage.CERTIFICATE_REQUEST))
    assert (await roaming("station", "certificate", "revoke", "CS-1")).exit_code == 1, "say which"
    revoked = await roaming("station", "certificate", "revoke", "CS-1", "abab", "--why", "stolen", "--json")
    assert [row["certificate"] for row in json.loads(revoked.output)] == ["ab" * 32]
    (row,) = json.loads((await roaming("station", "certificate", "list", "--json")).output)
    assert (row["revoked_by"], row["revoked_why"]) == ("cli:anna", "stolen")
