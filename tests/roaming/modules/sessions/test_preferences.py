"""Charging preferences: the five answers, who may ask, and what is kept."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from roaming.model.location import Connector
from roaming.model.session import ChargingPreferences
from roaming.modules.sessions import repository
from roaming.modules.sessions.preferences import judge, most_power
from roaming.modules.tariffs import service as tariffs
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, SENDER, HubInProcess, decoded, hub_in_process
from tests.kit.ruling import a_rule, rule

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 14, tzinfo=UTC)
EVERY = (None,)


def connector(**values: Any) -> Connector:
    given = {"power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 16} | values
    return Connector(id="1", standard="IEC_62196_T2", format="SOCKET", last_updated=NOW, **given)


def wanting(profile: str, until: datetime | None = None, energy: str | None = None) -> ChargingPreferences:
    need = Decimal(energy) if energy is not None else None
    return ChargingPreferences(profile_type=profile, departure_time=until, energy_need=need)


@pytest.mark.parametrize(
    ("preferences", "status", "types", "answer"),
    [
        (wanting("FAST"), "ACTIVE", EVERY, "ACCEPTED"),
        (wanting("FAST"), "PENDING", EVERY, "ACCEPTED"),
        (wanting("FAST"), "COMPLETED", EVERY, "NOT_POSSIBLE"),
        (wanting("FAST"), "INVALID", EVERY, "NOT_POSSIBLE"),
        (wanting("FAST"), "ACTIVE", ("PROFILE_FAST",), "ACCEPTED"),
        (wanting("FAST"), "ACTIVE", ("PROFILE_CHEAP", "REGULAR"), "PROFILE_TYPE_NOT_SUPPORTED"),
        (wanting("FAST"), "ACTIVE", (), "PROFILE_TYPE_NOT_SUPPORTED"),
        (wanting("REGULAR"), "ACTIVE", (), "ACCEPTED"),
        (wanting("SOLAR"), "ACTIVE", EVERY, "PROFILE_TYPE_NOT_SUPPORTED"),
        (wanting("CHEAP"), "ACTIVE", EVERY, "DEPARTURE_REQUIRED"),
        (wanting("GREEN", energy="5"), "ACTIVE", EVERY, "DEPARTURE_REQUIRED"),
        (wanting("GREEN", LATER), "ACTIVE", EVERY, "ENERGY_NEED_REQUIRED"),
        (wanting("GREEN", LATER, "22.08"), "ACTIVE", EVERY, "ACCEPTED"),
        (wanting("GREEN", LATER, "22.09"), "ACTIVE", EVERY, "NOT_POSSIBLE"),
        (wanting("FAST", LATER, "22.09"), "ACTIVE", EVERY, "NOT_POSSIBLE"),
        (wanting("FAST", NOW), "ACTIVE", EVERY, "NOT_POSSIBLE"),
    ],
)
def test_the_answer(preferences: ChargingPreferences, status: str, types: tuple[str | None, ...], answer: str) -> None:
    assert judge(preferences, status, connector(), types, now=NOW) == answer


def test_an_unknown_connector_refuses_no_energy() -> None:
    assert judge(wanting("CHEAP", LATER, "999"), "ACTIVE", None, EVERY, now=NOW) == "ACCEPTED"


@pytest.mark.parametrize(
    ("values", "watt"),
    [
        ({}, 11040),
        ({"power_type": "AC_1_PHASE"}, 3680),
        ({"power_type": "AC_2_PHASE_SPLIT"}, 7360),
        ({"power_type": "DC", "max_voltage": 920, "max_amperage": 200}, 184000),
        ({"power_type": "DC", "max_voltage": 920, "max_amperage": 200, "max_electric_power": 50000}, 50000),
    ],
)
def test_the_power_of_a_connector(values: dict[str, Any], watt: int) -> None:
    assert most_power(connector(**values)) == watt


async def capable(hub: HubInProcess, *capabilities: str, tariff_type: str | None = None) -> None:
    """Gives the place of the hosted charges an EVSE with these capabilities and a tariff of this type."""
    async with hub.services.database.work() as work:
        body = ocpi_bodies.tariff(HOSTED_CPO, id="OF-TYPE", type=tariff_type)
        await tariffs.publish(work, decoded(tariffs.CODECS, body))
    evse = ocpi_bodies.evse(
        uid="OURS-1",
        evse_id="NL*HUB*E9",
        capabilities=list(capabilities),
        connectors=[ocpi_bodies.connector(tariff_ids=["OF-TYPE"])],
    )
    await hub.host_location("OURS", evses=[evse])


async def prefer(hub: HubInProcess, session_id: str, partner: str = "aaa", **values: Any) -> Any:
    path = f"{SENDER}/sessions/{session_id}/charging_preferences"
    return await hub.call(partner, "PUT", path, body={"profile_type": "FAST"} | values)


async def kept(hub: HubInProcess, session_id: str) -> ChargingPreferences | None:
    async with hub.services.database.reading() as connection:
        return await repository.find_preferences(connection, f"NL/HUB/{session_id.lower()}")


@pytest.mark.ocpi_cell("sessions", "2.2.1", "sender", "server")
async def test_what_is_accepted_is_kept_and_the_latest_counts(hub: HubInProcess) -> None:
    await capable(hub, "CHARGING_PREFERENCES_CAPABLE")
    answer = await prefer(hub, "OURS-AAA", energy_need=10.5)
    assert (answer.outcome, answer.data) == ((200, 1000), "ACCEPTED")
    assert await kept(hub, "OURS-AAA") == ChargingPreferences(profile_type="FAST", energy_need=Decimal("10.5"))
    answer = await prefer(hub, "ours-aaa", profile_type="REGULAR")
    assert (answer.outcome, answer.data) == ((200, 1000), "ACCEPTED")
    assert await kept(hub, "OURS-AAA") == ChargingPreferences(profile_type="REGULAR")


async def test_what_is_not_accepted_changes_nothing(hub: HubInProcess) -> None:
    await capable(hub, "CHARGING_PREFERENCES_CAPABLE", tariff_type="PROFILE_FAST")
    assert (await prefer(hub, "OURS-AAA")).data == "ACCEPTED"
    assert (await prefer(hub, "OURS-AAA", profile_type="GREEN")).data == "PROFILE_TYPE_NOT_SUPPORTED"
    assert await kept(hub, "OURS-AAA") == ChargingPreferences(profile_type="FAST")


async def test_an_evse_without_the_capability(hub: HubInProcess) -> None:
    assert (await prefer(hub, "OURS-AAA")).outcome == (404, 2001)
    await capable(hub, "RFID_READER")
    assert (await prefer(hub, "OURS-AAA")).outcome == (404, 2001)
    assert await kept(hub, "OURS-AAA") is None


@pytest.mark.parametrize("partner", ["bbb", "cpo"])
async def test_a_session_of_another_is_as_unknown_as_none(hub: HubInProcess, partner: str) -> None:
    await capable(hub, "CHARGING_PREFERENCES_CAPABLE")
    of_another = await prefer(hub, "OURS-AAA", partner)
    of_nobody = await prefer(hub, "NONE", partner)
    assert of_another.outcome == of_nobody.outcome == (404, 2000)
    assert of_another.message == of_nobody.message
    assert await kept(hub, "OURS-AAA") is None


@pytest.mark.parametrize("body", [{}, {"profile_type": None}, {"energy_need": "much"}, {"energy_need": -1}])
async def test_preferences_that_say_nothing(hub: HubInProcess, body: dict[str, Any]) -> None:
    await capable(hub, "CHARGING_PREFERENCES_CAPABLE")
    given = {"profile_type": "FAST"} | body if body else {}
    answer = await hub.call("aaa", "PUT", f"{SENDER}/sessions/OURS-AAA/charging_preferences", body=given)
    assert answer.outcome == (200, 2001)
    assert await kept(hub, "OURS-AAA") is None


async def test_a_session_that_a_partner_gave_us_is_not_ours_to_plan(hub: HubInProcess) -> None:
    session = ocpi_bodies.session()
    assert (await hub.call("cpo", "PUT", "/2.2.1/receiver/sessions/FR/CPO/S1", body=session)).http_status == 201
    assert (await prefer(hub, "S1")).outcome == (404, 2000)


@pytest.mark.ocpi_cell("sessions", "2.3.0", "sender", "server")
async def test_2_3_0_says_the_same(sqlite_url: str, tmp_path: Path) -> None:
    async with hub_in_process(sqlite_url, tmp_path, version="2.3.0") as hub:
        await hub.host_objects()
        await capable(hub, "CHARGING_PREFERENCES_CAPABLE")
        path = "/2.3.0/sender/sessions/OURS-AAA/charging_preferences"
        answer = await hub.call("aaa", "PUT", path, body={"profile_type": "FAST"})
        assert (answer.outcome, answer.data) == ((200, 1000), "ACCEPTED")


async def test_2_1_1_does_not_have_it(sqlite_url: str, tmp_path: Path) -> None:
    async with hub_in_process(sqlite_url, tmp_path, version="2.1.1", offered_versions=("2.1.1",)) as hub:
        path = "/2.1.1/sessions/OURS-AAA/charging_preferences"
        assert (await hub.call("aaa", "PUT", path, body={"profile_type": "FAST"})).http_status == 404


async def test_a_profile_is_supported_where_a_rule_offers_its_tariff(hub: HubInProcess) -> None:
    await capable(hub, "CHARGING_PREFERENCES_CAPABLE", tariff_type="PROFILE_FAST")
    async with hub.services.database.work() as work:
        await tariffs.publish(work, decoded(tariffs.CODECS, ocpi_bodies.tariff(HOSTED_CPO, id="PLAIN", type="REGULAR")))
    await rule(hub.services.database, [a_rule("price", "locations", partner="bbb", tariffs=["PLAIN"])])
    assert (await prefer(hub, "OURS-AAA")).data == "ACCEPTED"
    assert (await prefer(hub, "OURS-BBB", "bbb")).data == "PROFILE_TYPE_NOT_SUPPORTED"


async def test_rules_of_the_place_and_of_the_driver_decide(hub: HubInProcess) -> None:
    await capable(hub, "CHARGING_PREFERENCES_CAPABLE")
    for kind, command in (("commands", ""), ("commands", "CHARGING_PROFILE"), ("tokens", "")):
        denied = a_rule("deny", kind, object_id="OURS", evse_uid="OURS-1", partner="aaa", command=command)
        await rule(hub.services.database, [denied])
        assert (await prefer(hub, "OURS-AAA")).outcome == (404, 2001), kind
        assert (await prefer(hub, "OURS-BBB", "bbb")).data == "ACCEPTED"
    assert await kept(hub, "OURS-AAA") is None
    elsewhere = [a_rule("deny", kind, object_id="ELSEWHERE") for kind in ("commands", "tokens")]
    await rule(hub.services.database, [*elsewhere, a_rule("deny", "commands", command="STOP_SESSION")])
    assert (await prefer(hub, "OURS-AAA")).data == "ACCEPTED"
