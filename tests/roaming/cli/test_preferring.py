"""What a hosted driver wants of a charge at a partner's: told, kept where it is accepted, and held against its CDR."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from roaming.billing.receiving import check_keys
from roaming.cli.commands import app
from roaming.model.identifiers import PartyId
from roaming.modules.sessions.repository import preferred_of
from roaming.partners.registry import choose_readings
from tests.kit import ocpi_bodies
from tests.kit.answering_partner import AnsweringPartner, answering_partner
from tests.kit.command_settings import set_settings
from tests.kit.hub_in_process import RECEIVER, HubInProcess, hub_in_process


@pytest.fixture
async def hub(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubInProcess]:
    set_settings(monkeypatch, database_url, tmp_path, PUBLIC_URL="http://hub.test/ocpi")
    async with hub_in_process(database_url, tmp_path) as running:
        yield running


@pytest.fixture
async def partner(hub: HubInProcess) -> AsyncIterator[AnsweringPartner]:
    """FR-CPO, with the session S1 of a driver of DE-HME at a connector with two tariffs."""
    async with answering_partner(hub, "cpo", "FR-CPO", "CPO") as listening:
        connector = ocpi_bodies.connector(tariff_ids=["SLOW", "QUICK"])
        place = ocpi_bodies.location(evses=[ocpi_bodies.evse(connectors=[connector])])
        for module, id, value in (
            ("locations", "L1", place),
            ("tariffs", "SLOW", tariff("SLOW", "PROFILE_CHEAP", 0.3)),
            ("tariffs", "QUICK", tariff("QUICK", "PROFILE_FAST", 0.8)),
            ("sessions", "S1", ocpi_bodies.session()),
        ):
            assert (await hub.call("cpo", "PUT", f"{RECEIVER}/{module}/FR/CPO/{id}", body=value)).code == 1000
        yield listening


def tariff(id: str, kind: str, price: float) -> dict[str, Any]:
    elements = [{"price_components": [{"type": "ENERGY", "price": price, "step_size": 1}]}]
    return ocpi_bodies.tariff(id=id, type=kind, elements=elements, min_price=None)


async def prefer(*words: str) -> Result:
    """Runs the command; in a thread, since it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["session", "prefer", "s1", *words])


async def kept(hub: HubInProcess) -> list[str]:
    async with hub.services.database.reading() as connection:
        found = await preferred_of(connection, ["FR/CPO/s1"])
    return [each.profile_type for entries in found.values() for each in entries]


async def test_a_partner_is_told_and_what_it_accepts_is_kept(hub: HubInProcess, partner: AnsweringPartner) -> None:
    for answer, exit_code, profiles in (
        ("PROFILE_TYPE_NOT_SUPPORTED", 1, []),
        (7, 1, []),
        ("ACCEPTED", 0, ["FAST"]),
        ({"result": "ACCEPTED"}, 0, ["FAST"]),
    ):
        partner.answers["sessions/S1/charging_preferences"] = answer
        result = await prefer("--profile", "fast", "--until", "2099-01-01T00:00:00Z", "--kwh", "10.5", "--json")
        assert (result.exit_code, await kept(hub)) == (exit_code, profiles), result.output
    assert json.loads(result.stdout) == {"session": "S1", "CPO": "FR-CPO", "for": "DE-HME", "said": "ACCEPTED"}
    request = partner.of("PUT", "/sender/sessions/S1/charging_preferences")[0]
    assert request.body == {"profile_type": "FAST", "departure_time": "2099-01-01T00:00:00Z", "energy_need": 10.5}
    assert (request.headers["ocpi-from-party-id"], request.headers["ocpi-to-party-id"]) == ("HME", "CPO")
    for words, said in (
        (("--profile", "solar"), "cheap, fast, green, regular"),
        (("--profile", "fast", "--kwh", "much"), "--kwh much: more than 0"),
        (("--profile", "fast", "--kwh", "NaN"), "--kwh NaN: more than 0"),
        (("--profile", "fast", "--until", "noon"), "--until"),
        (("--profile", "fast", "--party", "SE-LIS"), "no session s1"),
    ):
        result = await prefer(*words)
        assert (result.exit_code, said in result.output) == (1, True), result.output


async def test_its_cdr_is_checked_by_what_was_accepted(hub: HubInProcess, partner: AnsweringPartner) -> None:
    partner.answers["sessions/S1/charging_preferences"] = "ACCEPTED"
    assert (await prefer("--profile", "FAST")).exit_code == 0
    async with hub.services.database.work() as work:
        reading = {"profile_change": "WHOLE"}
        assert await choose_readings(work, cpo=PartyId("FR", "CPO"), emsp=PartyId("DE", "HME"), readings=reading)
    for id, tariff_id, kind, price, expected in (
        ("C1", "QUICK", "PROFILE_FAST", 0.8, []),
        ("C2", "SLOW", "PROFILE_CHEAP", 0.3, [("PROFILE", "DISPUTE", True)]),
    ):
        periods = [ocpi_bodies.period() | {"tariff_id": tariff_id}]
        ends = "2099-01-01T00:00:00Z"  # after the preference, whenever this is run
        body = ocpi_bodies.cdr(
            id=id, end_date_time=ends, tariffs=[tariff(tariff_id, kind, price)], charging_periods=periods
        )
        assert (await hub.call("cpo", "POST", f"{RECEIVER}/cdrs", body=body)).outcome == (201, 1000)
        (checked,) = await check_keys(hub.services, [f"FR/CPO/{id.lower()}"])
        found = [each for each in checked.verdict.findings if each.kind.startswith("PROFILE")]
        says = "the driver's preferences named FAST"
        assert [(each.kind, each.outcome, says in each.text) for each in found] == expected
        if found:
            assert found[0].at_stake > 0
