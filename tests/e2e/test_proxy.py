"""Operators keep their own central systems: independent ones and independent stations see the same octets, while the
hub between them makes roaming sessions of what its partner's driver charges, and none of what others do."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hub import Hub
from tests.e2e.outside import package_station
from tests.e2e.outside.package_csms import PackageCsms
from tests.e2e.outside.rpc_station import ENERGY_KWH, RpcCsms, RpcStation, basic
from tests.e2e.partner import ADA, Partner
from tests.e2e.test_outside import PASSWORD, PATIENCE, as_operator, check_story
from tests.kit.wait import until

pytestmark = [pytest.mark.outside, pytest.mark.slow, pytest.mark.timeout(240)]

OWN = "OWN0000001"
REPLACED = ("Authorize", "StartTransaction", "TransactionEvent")
FROM_AFAR = {"GUEST-201": "ocpp2.0.1", "GUEST-21": "ocpp2.1"}
Frames = list[tuple[bool, str]]
"""Whether it came from the station, and the text."""


def through(csms16: PackageCsms, csms201: RpcCsms, csms21: PackageCsms) -> dict[str, str]:
    """The hub's settings."""
    by_name = {"authorise": "hub-if-refused", "has_commands": True}
    upstreams = [
        {"stations": ["*-16"], "url": csms16.url, "authorise": "hub-if-refused"},
        {"stations": ["*-201"], "url": csms201.url, **by_name},
        {"stations": ["*-21"], "url": csms21.url, **by_name},
    ]
    return {"ROAMING_OCPP": json.dumps({"mode": "proxy", "upstreams": upstreams, "settle_seconds": 0})}


async def set_up(hub: Hub, partner: Partner) -> None:
    """A CPO with its stations, and a partner who has registered."""
    await as_operator(hub, "party", "add", "NL-HUB", "--role", "CPO", "--name", "Hub Charging")
    added = await as_operator(hub, "partner", "add", "sandbox", "--party", "DE-SBX")
    await partner.emsp.register(hub.versions_url, added["TOKEN_A"])
    place = {"party": "NL-HUB", "location": "PIER", "address": "Kade 1", "city": "Rotterdam", "no_password": True}
    at = {"latitude": "51.90500", "longitude": "4.48600"}
    rows = [{"station": identity, **place, **at} for identity in ("OWN-16", "GUEST-16", *FROM_AFAR)]
    file = hub.folder / "stations.json"
    file.write_text(json.dumps(rows))
    await as_operator(hub, "station", "import", str(file))


def node_frames(process: RpcStation, *, is_station: bool) -> Frames:
    """What a Node process saw."""
    return [(word["outbound"] is is_station, word["text"]) for word in process.words("frame")]


def one_way(frames: Frames, *, is_up: bool) -> list[str]:
    return [text for from_station, text in frames if from_station is is_up]


def is_ours(text: str) -> bool:
    """Whether it is a request of the hub, or the answer to one."""
    return str(json.loads(text)[1]).startswith("hub:")


def asked_by_us(station: Frames) -> list[str]:
    """The actions of the hub's own requests, each of which the station answered."""
    ours = [json.loads(text) for _, text in station if is_ours(text)]
    asked = {frame[1]: frame[2] for frame in ours if frame[0] == 2}
    assert sorted(asked) == sorted(frame[1] for frame in ours if frame[0] == 3)
    return list(asked.values())


def refusals(csms: Frames) -> dict[str, Any]:
    """The central system's answers that do not know the driver, by their ids."""
    asked = {json.loads(text)[1]: json.loads(text)[2] for text in one_way(csms, is_up=True) if text[1] == "2"}
    found = {}
    for answer in map(json.loads, one_way(csms, is_up=False)):
        if answer[0] == 3 and asked.get(answer[1]) in REPLACED:
            info = answer[2].get("idTagInfo") or answer[2].get("idTokenInfo") or {}
            if info.get("status") in ("Invalid", "Unknown"):
                found[answer[1]] = answer
    return found


def check_octets(station: Frames, csms: Frames, *, replaced: int) -> None:
    """Both ends saw the same, in order; ``replaced`` answers about the driver are the hub's, which may come a little
    later: nothing else waits for them. What the central system asked, and answered to a heartbeat, while the station
    went away reaches nobody."""
    assert [text for text in one_way(station, is_up=True) if not is_ours(text)] == one_way(csms, is_up=True)
    refused = refusals(csms)
    assert len(refused) == replaced
    heard = [text for text in one_way(station, is_up=False) if not is_ours(text)]
    passed = [text for text in heard if json.loads(text)[1] not in refused]
    sent = [text for text in one_way(csms, is_up=False) if json.loads(text)[1] not in refused]
    assert passed == sent[: len(passed)]
    beats = {json.loads(text)[1] for text in one_way(station, is_up=True) if '"Heartbeat"' in text}
    assert all(text.startswith("[2,") or json.loads(text)[1] in beats for text in sent[len(passed) :])
    ours = {new[1]: new for new in map(json.loads, heard) if new[1] in refused}
    assert ours.keys() == refused.keys()
    for frame_id, old in refused.items():
        (info,) = {"idTagInfo", "idTokenInfo"} & old[2].keys()
        assert ours[frame_id][2][info]["status"] == "Accepted"
        assert {**ours[frame_id][2], info: 0} == {**old[2], info: 0}


async def charge_from_afar(hub: Hub, partner: Partner, identity: str, frames: Frames) -> None:
    """A 2.x station that the partner starts and stops, while its own central system asks it every now and then."""
    emsp, is_ready, version = partner.emsp, asyncio.Event(), FROM_AFAR[identity]
    running = asyncio.create_task(
        package_station.run(
            hub.ocpp_url(), identity, password=PASSWORD, version=version, is_ready=is_ready, frames=frames
        )
    )
    async with asyncio.timeout(PATIENCE):
        await is_ready.wait()

    async def is_known_to_be_here() -> bool:
        # Its own central system has answered it, which does not wait for the hub
        online = await as_operator(hub, "station", "list", "--online")
        return any(row["station"] == identity for row in online)

    await until(is_known_to_be_here, seconds=PATIENCE, every=0.3)
    started, answer = await emsp.start(emsp.drivers[ADA], "PIER", identity)
    assert answer == "ACCEPTED"
    await until(lambda: emsp.results.get(started) == "ACCEPTED", seconds=PATIENCE)

    def here() -> list[dict[str, Any]]:
        return [session for session in partner.sessions if session["evse_uid"] == identity]

    await until(here, seconds=PATIENCE)
    stopped, _ = await emsp.stop(here()[0]["id"])
    await until(lambda: emsp.results.get(stopped) == "ACCEPTED", seconds=PATIENCE)
    async with asyncio.timeout(PATIENCE):
        await running


def package_frames(csms: PackageCsms, identity: str) -> Frames:
    """What a central system on the package saw of one station."""
    return [(way == "up", text) for way, text in csms.frames[identity]]


async def test_octets_pass_and_drivers_roam(tmp_path: Path) -> None:
    async with (
        Partner() as partner,
        PackageCsms(known=[OWN]) as csms16,
        RpcCsms("ocpp2.0.1", known=[OWN]) as csms201,
        PackageCsms("ocpp2.1", known=[OWN]) as csms21,
    ):
        await until(lambda: csms201.words("listening"), seconds=PATIENCE)
        hub = Hub("embedded", tmp_path, settings=through(csms16, csms201, csms21))
        try:
            hub.start()
            await set_up(hub, partner)
            url, frames = hub.ocpp_url(), {identity: Frames() for identity in FROM_AFAR}
            async with (
                RpcStation(url, "OWN-16", password=PASSWORD, token_uid=OWN) as own,
                RpcStation(url, "GUEST-16", password=PASSWORD, token_uid=ADA) as guest,
            ):
                afar = (charge_from_afar(hub, partner, identity, seen) for identity, seen in frames.items())
                await asyncio.gather(*afar)
                for station in (own, guest):
                    await until(lambda s=station: s.has_ended_well or s.words("failed"), seconds=PATIENCE)  # type: ignore[misc]
                    check_story(station)
            await until(lambda: len(partner.cdrs) == 3, seconds=PATIENCE)
            await until(lambda: csms201.words("gone"), seconds=PATIENCE)
        finally:
            hub.stop()

        check_octets(node_frames(own, is_station=True), package_frames(csms16, "OWN-16"), replaced=0)
        check_octets(node_frames(guest, is_station=True), package_frames(csms16, "GUEST-16"), replaced=2)
        for identity, seen in (
            ("GUEST-201", node_frames(csms201, is_station=False)),
            ("GUEST-21", package_frames(csms21, "GUEST-21")),
        ):
            check_octets(frames[identity], seen, replaced=1)
            assert not any(is_ours(text) for _, text in seen)
            assert any('"TriggerMessage"' in text for text in one_way(seen, is_up=False))
            # Of a station that has told no state for long, the hub asks it
            assert [action for action in asked_by_us(frames[identity]) if action != "TriggerMessage"] == [
                "RequestStartTransaction",
                "RequestStopTransaction",
            ]
        assert csms201.words("invalid") == []
        assert set(csms16.authorizations) == {basic("OWN-16", PASSWORD), basic("GUEST-16", PASSWORD)}
        assert csms21.authorizations == [basic("GUEST-21", PASSWORD)]
        assert [word["password"] for word in csms201.words("handshake")] == [PASSWORD]
    check_cdrs(partner)


def check_cdrs(partner: Partner) -> None:
    """One of each guest, of what the station measured; none of the operator's own driver."""
    found = {cdr["cdr_location"]["evse_uid"]: cdr for cdr in partner.cdrs}
    assert {evse: cdr["auth_method"] for evse, cdr in found.items()} == {
        "GUEST-16": "AUTH_REQUEST",
        **dict.fromkeys(FROM_AFAR, "COMMAND"),
    }
    for cdr in found.values():
        assert cdr["cdr_token"]["uid"] == ADA
        assert Decimal(str(cdr["total_energy"])) == Decimal(ENERGY_KWH)
    assert {session["status"] for session in partner.sessions} == {"COMPLETED"}
    assert partner.emsp.doubles == []
