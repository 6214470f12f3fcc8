"""Objects of one version on their way to a partner of another."""

from pathlib import Path
from typing import Any

import pytest

from roaming.store.losses import Counted, LostField, counted
from tests.kit import ocpi_bodies
from tests.kit.passing import Passing, passing_hub
from tests.kit.scripted_partner import enveloped

PAIRS = [
    ("2.1.1", "2.2.1"),
    ("2.1.1", "2.3.0"),
    ("2.2.1", "2.1.1"),
    ("2.2.1", "2.3.0"),
    ("2.3.0", "2.1.1"),
    ("2.3.0", "2.2.1"),
]
OWN: dict[str, Any] = {"x_own": {"deep": [1, None]}}
"""A field that no version knows: whoever adds it may mean it for whoever reads."""


async def acquainted(passing: Passing) -> None:
    """The hub knows the location and the driver, as it does where both sides push."""
    stored = [
        await passing.ope.push("PUT", "locations", "L1", body=passing.ope.speech.location("ES-OPE")),
        await passing.msp.push("PUT", "tokens", "TOKEN1", body=passing.msp.speech.token("IT-MSP")),
    ]
    assert [answer.code for answer in stored] == [1000, 1000], [answer.text for answer in stored]


async def lost_by(passing: Passing, name: str) -> list[Counted]:
    await passing.hub.services.journal.flush()
    return await counted(passing.hub.services.database.reader, name)


def without_noise(body: Any) -> Any:
    return {name: value for name, value in body.items() if name not in ("location", "total_cost")}


@pytest.mark.parametrize(("cpo", "emsp"), PAIRS)
async def test_a_session_and_its_cdr_are_read_in_the_other_version(
    sqlite_url: str, tmp_path: Path, cpo: str, emsp: str
) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope=cpo, msp=emsp) as passing:
        await acquainted(passing)
        ope, msp = passing.ope, passing.msp
        pushed = await ope.push("PUT", "sessions", "S1", to=msp, body=ope.speech.session("ES-OPE", "IT-MSP") | OWN)
        assert pushed.code == 1000, pushed.text
        path = "/sessions/ES/OPE/S1" if emsp == "2.1.1" else "/receiver/sessions/ES/OPE/S1"
        assert msp.last.target.endswith(path)
        got, wanted = msp.last_body, msp.speech.session("ES-OPE", "IT-MSP") | OWN
        assert without_noise(got) == without_noise(wanted)
        assert got["last_updated"] == ocpi_bodies.NOW

        change = OWN | {"kwh": 2.5, "last_updated": "2026-11-23T11:00:00Z"}
        if cpo == "2.1.1":
            del change["last_updated"]
        changed = await ope.push("PATCH", "sessions", "S1", to=msp, body=change)
        assert changed.code == 1000, changed.text
        assert msp.last_body["kwh"] == 2.5
        assert msp.last_body["x_own"] == OWN["x_own"]
        assert "last_updated" in msp.last_body or emsp == "2.1.1"

        cdr = ope.speech.cdr("ES-OPE", "IT-MSP") | OWN
        if cpo != "2.1.1":
            cdr["cdr_location"]["postal_code"] = "69002"
        posted = await ope.call("POST", ope.speech.receiver("cdrs"), to=msp, body=cdr)
        assert posted.code == 1000, posted.text
        got, wanted = msp.last_body, msp.speech.cdr("ES-OPE", "IT-MSP")
        assert (got["id"], got["total_energy"], got["last_updated"]) == ("C1", 1.5, ocpi_bodies.NOW)
        assert got["x_own"] == OWN["x_own"]
        assert got.get("auth_id") == wanted.get("auth_id")
        assert got.get("cdr_token") == wanted.get("cdr_token")
        await passing.hub.services.journal.flush()
        notes = await passing.hub.services.database.reader.fetch("SELECT note FROM journal WHERE module = 'cdrs'")
        assert any("lost cdr_token" in note for (note,) in notes) == (emsp == "2.1.1")
        lost = {(entry.what.module, entry.what.field): entry.amount for entry in await lost_by(passing, "msp")}
        assert lost.get(("cdrs", "cdr_token"), 0) == lost.get(("sessions", "cdr_token"), 0) == (emsp == "2.1.1")
        assert await lost_by(passing, "ope") == []


async def test_what_a_version_cannot_say_at_all_is_never_sent(sqlite_url: str, tmp_path: Path) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope="2.2.1", msp="2.1.1") as passing:
        await acquainted(passing)
        cdr = ocpi_bodies.cdr("ES-OPE", "IT-MSP", id="CREDIT", credit=True, credit_reference_id="C1")
        cdr["total_cost"] = {"excl_vat": -0.45}
        seen = len(passing.msp.asked)
        answer = await passing.ope.call("POST", "/2.2.1/receiver/cdrs", to=passing.msp, body=cdr)
        assert answer.outcome == (200, 4000), answer.text
        assert "2.1.1" in answer.message
        assert len(passing.msp.asked) == seen


async def test_losses_are_counted_towards_whoever_is_told_less(sqlite_url: str, tmp_path: Path) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope="2.3.0", msp="2.2.1") as passing:
        ope, msp = passing.ope, passing.msp
        location = ope.speech.location("ES-OPE")
        location["evses"] = [{**location["evses"][0], "uid": uid, "parking": [{"parking_id": "P"}]} for uid in "AB"]
        location["parking_places"] = [{"id": "P", "vehicle_types": ["MOTORCYCLE"], "restricted_to_type": False,
                                       "reservation_required": False}]  # fmt: skip
        assert (await ope.push("PUT", "locations", "L1", to=msp, body=location)).code == 1000
        ope.says_data([location])
        listed = await msp.call("GET", msp.speech.sender("locations"), to=ope)
        assert "parking" not in listed.data[0]["evses"][0]

        found = {entry.what: entry.amount for entry in await lost_by(passing, "msp")}
        assert found[LostField("msp", "locations", "2.2.1", "evses[].parking")] == 4
        assert found[LostField("msp", "locations", "2.2.1", "parking_places")] == 2
        assert await lost_by(passing, "ope") == []


# 2.1.1 names no receiver: lists that it asks for are the hub's own
@pytest.mark.parametrize(("cpo", "emsp"), [pair for pair in PAIRS if pair[1] != "2.1.1"])
async def test_lists_and_single_objects_are_read_in_the_callers_version(
    sqlite_url: str, tmp_path: Path, cpo: str, emsp: str
) -> None:
    async with passing_hub(sqlite_url, tmp_path, ope=cpo, msp=emsp) as passing:
        await acquainted(passing)
        ope, msp = passing.ope, passing.msp
        wrong = ope.speech.location("ES-OPE", id="L2", coordinates="nowhere")
        ope.says_data([ope.speech.location("ES-OPE"), wrong])
        answer = await msp.call("GET", msp.speech.sender("locations"), to=ope)
        (location,) = answer.data
        assert (location["id"], location["party_id"], location["last_updated"]) == ("L1", "OPE", ocpi_bodies.NOW)
        connector = location["evses"][0]["connectors"][0]
        assert (connector["max_voltage"], connector["tariff_ids"]) == (230, ["T1"])

        ope.says_data(ope.speech.connector())
        one = await msp.call("GET", f"{msp.speech.sender('locations')}/L1/E1/1", to=ope)
        assert one.data["max_voltage"] == 230
        assert ope.last.target.endswith("/locations/L1/E1/1")

        foreign = ope.speech.session("ES-OPE", "DE-AAA", id="S2")
        ope.says_data([ope.speech.session("ES-OPE", "IT-MSP"), foreign])
        sessions = await msp.call("GET", msp.speech.sender("sessions"), to=ope)
        assert [session["id"] for session in sessions.data] == ["S1"], sessions.text

        ope.says = lambda _: enveloped_code(2001)
        refused = await msp.call("GET", msp.speech.sender("locations"), to=ope)
        assert refused.outcome == (200, 2001)


def enveloped_code(code: int) -> bytes:
    body = enveloped(None, status_code=code)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
