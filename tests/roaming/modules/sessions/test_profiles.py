"""Preferences that are accepted while a charge goes on price what comes after them, and the CDR quotes both tariffs."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from roaming.hub.why_price import why_of_session
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.modules.sessions import service
from roaming.modules.tariffs import service as tariffs
from roaming.partners.registry import choose_readings
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, RECEIVER, SENDER, HubInProcess, decoded
from tests.roaming.modules.sessions.charges import (
    UID,
    billed,
    ended,
    hub_with_station,
    let_pass,
    metered,
    started,
    tell,
)

PRICES = {"REGULAR": ("STANDARD", 0.5), "PROFILE_FAST": ("QUICK", 0.8), "PROFILE_CHEAP": ("SLOW", 0.3)}


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Station GOOD takes preferences, and has a tariff for each of three profiles."""
    async with hub_with_station(database_url, tmp_path) as running:
        connector = ocpi_bodies.connector(tariff_ids=[id for id, _ in PRICES.values()])
        capable = ["CHARGING_PREFERENCES_CAPABLE"]
        evse = ocpi_bodies.evse(uid="AT-GOOD-1", evse_id="NL*HUB*E1", connectors=[connector], capabilities=capable)
        await running.host_location("AT-GOOD", evses=[evse])
        for kind, (id, price) in PRICES.items():
            await publish(running, id, price, kind)
        yield running


async def publish(hub: HubInProcess, id: str, price: float, kind: str) -> None:
    component = {"type": "ENERGY", "price": price, "step_size": 1}
    elements = [{"price_components": [component]}]
    body = ocpi_bodies.tariff(HOSTED_CPO, id=id, elements=elements, min_price=None, type=kind)
    async with hub.services.database.work() as work:
        await tariffs.publish(work, decoded(tariffs.CODECS, body))


async def prefer(hub: HubInProcess, profile: str) -> Any:
    (session,) = (await hub.call("aaa", "GET", f"{SENDER}/sessions?date_from=2020-01-01T00:00:00Z")).data
    path = f"{SENDER}/sessions/{session['id']}/charging_preferences"
    wants = {"profile_type": profile, "departure_time": "2099-01-01T00:00:00Z", "energy_need": 5}
    return (await hub.call("aaa", "PUT", path, body=wants)).data


async def charge(hub: HubInProcess, *profiles: str) -> CDR:
    """4 kWh, then ``profiles`` are preferred within minutes in which nothing flows, then 6 kWh."""
    await tell(hub, started("T1", 0), metered("T1", 115, 5000))
    for profile in profiles:
        assert await prefer(hub, profile) == "ACCEPTED"
    await tell(hub, metered("T1", 130, 5000), metered("T1", 140, 9000))
    (session,) = (await hub.call("aaa", "GET", f"{SENDER}/sessions?date_from=2020-01-01T00:00:00Z")).data
    await tell(hub, ended("T1", 150, 11000))
    await let_pass(hub)
    (cdr,) = await billed(hub)
    named = {period["tariff_id"] for period in session["charging_periods"]}
    assert named <= {tariff.id for tariff in cdr.tariffs}, "the driver saw it while charging"
    return cdr


def priced(cdr: CDR) -> tuple[list[str], Decimal]:
    return [tariff.id for tariff in cdr.tariffs], cdr.total_cost.before_taxes


@pytest.mark.parametrize(
    ("reading", "profiles", "expected"),
    [
        ("FROM_THEN", ("FAST",), (["STANDARD", "QUICK"], Decimal("6.80"))),
        ("WHOLE", ("FAST",), (["QUICK"], Decimal("8.00"))),
        ("NEVER", ("FAST",), (["STANDARD"], Decimal("5.00"))),
        ("FROM_THEN", (), (["STANDARD"], Decimal("5.00"))),
        ("WHOLE", ("FAST", "CHEAP"), (["SLOW"], Decimal("3.00"))),
        ("FROM_THEN", ("REGULAR",), (["STANDARD"], Decimal("5.00"))),
    ],
)
async def test_a_preference_prices_what_comes_after_it(
    hub: HubInProcess, reading: str, profiles: tuple[str, ...], expected: tuple[list[str], Decimal]
) -> None:
    """As the two parties agree to read it."""
    async with hub.services.database.work() as work:
        chosen = {"profile_change": reading}
        assert await choose_readings(work, cpo=PartyId.parse(HOSTED_CPO), emsp=PartyId("DE", "AAA"), readings=chosen)
    cdr = await charge(hub, *profiles)
    assert priced(cdr) == expected
    why = await why_of_session(hub.services, cdr.session_id or "")
    assert [each.partition(" ")[0] for each in why.preferred] == list(profiles)
    assert why.tariff == expected[0][0]
    assert [each.partition(" ")[0] for each in why.later] == expected[0][1:]


async def test_its_tariff_is_that_of_the_start(hub: HubInProcess) -> None:
    """One that changes, or comes to the connector, after the charge began is not the driver's."""
    await tell(hub, started("T1", 0), metered("T1", 115, 5000))
    await publish(hub, "QUICK", 9.9, "PROFILE_FAST")
    assert await prefer(hub, "FAST") == "ACCEPTED"
    await tell(hub, metered("T1", 130, 5000), ended("T1", 150, 11000))
    await let_pass(hub)
    (cdr,) = await billed(hub)
    assert priced(cdr) == (["STANDARD", "QUICK"], Decimal("6.80"))
    (told,) = (await hub.call("aaa", "GET", f"{SENDER}/cdrs?date_from=2020-01-01T00:00:00Z")).data
    assert [tariff["type"] for tariff in told["tariffs"]] == ["REGULAR", "PROFILE_FAST"]
    assert [period["tariff_id"] for period in told["charging_periods"]][-1] == "QUICK"


async def test_what_the_token_names_can_be_given_up(hub: HubInProcess) -> None:
    body = ocpi_bodies.token(
        "DE-AAA", uid=UID, contract_id="DE-AAA-C1", whitelist="ALLOWED", default_profile_type="FAST"
    )
    assert (await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/{UID}", body=body)).outcome == (200, 1000)
    cdr = await charge(hub, "REGULAR")
    assert priced(cdr) == (["QUICK", "STANDARD"], Decimal("6.20"))


async def test_a_driver_who_cannot_decide(hub: HubInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_PROFILES", 2)
    await tell(hub, started("T1", 0), metered("T1", 115, 5000))
    said = [await prefer(hub, profile) for profile in ("FAST", "FAST", "CHEAP", "FAST")]
    assert said == ["ACCEPTED", "ACCEPTED", "ACCEPTED", "NOT_POSSIBLE"]


async def test_the_only_tariff_is_that_of_a_profile(hub: HubInProcess) -> None:
    """Nothing prices the charge as it begins; the first preference prices all of it."""
    connector = ocpi_bodies.connector(tariff_ids=["QUICK"])
    capable = ["CHARGING_PREFERENCES_CAPABLE"]
    evse = ocpi_bodies.evse(uid="AT-GOOD-1", evse_id="NL*HUB*E1", connectors=[connector], capabilities=capable)
    await hub.host_location("AT-GOOD", evses=[evse])
    assert priced(await charge(hub, "FAST")) == (["QUICK"], Decimal("8.00"))


async def test_profiles_are_those_of_the_start(hub: HubInProcess) -> None:
    """What is accepted is charged: not one whose tariff came to the connector since, but one whose tariff left it."""
    await tell(hub, started("T1", 0), metered("T1", 115, 5000))
    await publish(hub, "LEAF", 0.1, "PROFILE_GREEN")
    connector = ocpi_bodies.connector(tariff_ids=["STANDARD", "LEAF"])
    capable = ["CHARGING_PREFERENCES_CAPABLE"]
    evse = ocpi_bodies.evse(uid="AT-GOOD-1", evse_id="NL*HUB*E1", connectors=[connector], capabilities=capable)
    await hub.host_location("AT-GOOD", evses=[evse])
    assert await prefer(hub, "GREEN") == "PROFILE_TYPE_NOT_SUPPORTED"
    assert await prefer(hub, "FAST") == "ACCEPTED"
    await tell(hub, metered("T1", 130, 5000), ended("T1", 150, 11000))
    await let_pass(hub)
    (cdr,) = await billed(hub)
    assert priced(cdr) == (["STANDARD", "QUICK"], Decimal("6.80"))
