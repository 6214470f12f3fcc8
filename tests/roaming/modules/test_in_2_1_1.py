"""What a 2.1.1 body leaves out is filled from its address and the time of receipt, and that stands in the journal."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HubInProcess, hub_in_process
from tests.kit.ocpi_speech import ALL

OLD = "/2.1.1"


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Serves all versions."""
    async with hub_in_process(database_url, tmp_path, offered_versions=ALL) as running:
        yield running


def without(body: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names} | changes


TOKEN = without(
    ocpi_bodies.token(), "country_code", "party_id", "contract_id", "last_updated", auth_id="DE-AAA-C00000001"
)
TARIFF = without(
    ocpi_bodies.tariff(
        elements=[{"price_components": [{"type": "FLAT", "price": 1.5, "step_size": 1}]}], min_price=None
    ),
    "country_code",
    "party_id",
    "last_updated",
)
CASES = {
    "tokens/DE/AAA/TOKEN1": ("aaa", TOKEN, {"valid": False}),
    "tariffs/FR/CPO/T1": ("cpo", TARIFF, None),
}


async def notes(hub: HubInProcess, method: str) -> list[str]:
    await hub.services.journal.flush()
    rows = await hub.services.database.reader.fetch("SELECT note FROM journal WHERE method = $1 ORDER BY id", method)
    return [row[0] for row in rows]


@pytest.mark.parametrize("path", CASES)
async def test_a_body_without_owner_and_time_is_stored(hub: HubInProcess, path: str) -> None:
    partner, body, change = CASES[path]
    before = datetime.now(UTC) - timedelta(seconds=1)
    answer = await hub.call(partner, "PUT", f"{OLD}/{path}", body=body)
    assert answer.outcome == (201, 1000), answer.text
    stored = (await hub.call(partner, "GET", f"/2.2.1/receiver/{path}")).data
    assert f"/{stored['country_code']}/{stored['party_id']}/" in path
    assert before < datetime.fromisoformat(stored["last_updated"]) <= datetime.now(UTC)
    assert "tolerated last_updated: MISSING" in (await notes(hub, "PUT"))[0]
    if change is not None:
        assert (await hub.call(partner, "PATCH", f"{OLD}/{path}", body=change)).outcome == (200, 1000)
        changed = (await hub.call(partner, "GET", f"/2.2.1/receiver/{path}")).data
        assert changed == stored | change | {"last_updated": changed["last_updated"]}
        assert changed["last_updated"] >= stored["last_updated"]
        assert "tolerated last_updated: MISSING" in (await notes(hub, "PATCH"))[0]


async def test_a_patch_without_time_is_taken_from_a_partner_whose_clock_is_ahead(hub: HubInProcess) -> None:
    path = "tokens/DE/AAA/TOKEN1"
    ahead = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await hub.call("aaa", "PUT", f"{OLD}/{path}", body=TOKEN | {"last_updated": ahead})).code == 1000
    assert (await hub.call("aaa", "PATCH", f"{OLD}/{path}", body={"valid": False})).code == 1000
    assert (await hub.call("aaa", "GET", f"/2.2.1/receiver/{path}")).data["valid"] is False


@pytest.mark.parametrize("path", CASES)
async def test_since_2_2_both_are_required(hub: HubInProcess, path: str) -> None:
    partner, body, _ = CASES[path]
    assert (await hub.call(partner, "PUT", f"/2.2.1/receiver/{path}", body=body)).outcome == (200, 2001)


async def test_a_command_that_2_1_1_lacks_is_not_found(hub: HubInProcess) -> None:
    body = ocpi_bodies.cancel_reservation(reservation_id="7")
    answer = await hub.call("aaa", "POST", f"{OLD}/commands/CANCEL_RESERVATION", body=body)
    assert answer.outcome == (404, 2000)
    assert answer.message == "OCPI 2.1.1 has no CANCEL_RESERVATION"


async def test_one_object_that_2_1_1_cannot_say_is_an_error_in_words(hub: HubInProcess) -> None:
    credit = ocpi_bodies.cdr(
        id="C1-CREDIT",
        credit=True,
        credit_reference_id="C1",
        total_cost={"excl_vat": -0.45, "incl_vat": -0.54},
    )
    assert (await hub.call("cpo", "POST", "/2.2.1/receiver/cdrs", body=credit)).outcome == (201, 1000)
    answer = await hub.call("cpo", "GET", f"{OLD}/cdrs/FR/CPO/C1-CREDIT")
    assert answer.outcome == (200, 3000)
    assert "OCPI 2.1.1 cannot say this object: credit" in answer.message
    assert (await hub.call("cpo", "GET", "/2.2.1/receiver/cdrs/FR/CPO/C1-CREDIT")).data == credit
