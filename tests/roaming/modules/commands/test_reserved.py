"""A reservation that nobody came for is billed where the tariff says so, once; one that was used, refused, cancelled or
replaced is not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.messages import CommandAnswered, CommandRequested, ReservationExpired, TransactionStarted
from contracts.vocabulary import AuthorizationStatus, CommandName, CommandOutcome
from roaming.model.time import SystemClock, format_timestamp
from roaming.modules.commands import reserved
from roaming.modules.tariffs import service as tariffs
from tests.kit import ocpi_bodies, outbox
from tests.kit.answering_partner import hear
from tests.kit.hub_in_process import HOSTED_CPO, HubInProcess, decoded, hub_in_process
from tests.kit.ruling import a_rule, rule

HOUR = timedelta(hours=1)


def element(kind: str, price: float, **restrictions: Any) -> dict[str, Any]:
    component = {"type": kind, "price": price, "step_size": 60, "vat": 20}
    return {"price_components": [component]} | ({"restrictions": restrictions} if restrictions else {})


PRICED = [
    element("TIME", 5, reservation="RESERVATION"),
    element("FLAT", 4, reservation="RESERVATION_EXPIRES"),
    element("FLAT", 3),
    element("ENERGY", 0.3),
]


class Later(SystemClock):
    """So much later than now."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> Any:
        return super().now() + self._by


async def publish(hub: HubInProcess, *elements: dict[str, Any], id: str = "T1") -> None:
    async with hub.services.database.work() as work:
        body = ocpi_bodies.tariff(HOSTED_CPO, id=id, elements=list(elements))
        body.pop("min_price", None)
        await tariffs.publish(work, decoded(tariffs.CODECS, body))


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(database_url, tmp_path, version="2.3.0") as running:
        connector = ocpi_bodies.connector(tariff_ids=["T1"])
        evse = ocpi_bodies.evse(uid="OURS-1", evse_id="NL*HUB*E1", connectors=[connector])
        await running.host_location("OURS", evses=[evse])
        await running.host_station("CS-1", "OURS")
        await publish(running, *PRICED)
        yield running


async def command(hub: HubInProcess, name: str, body: dict[str, Any]) -> CommandRequested:
    """What the station is asked."""
    answer = await hub.call("aaa", "POST", f"/2.3.0/receiver/commands/{name}", body=body)
    assert answer.data["result"] == "ACCEPTED", answer.text
    return (await outbox.waiting(hub.services.database, CommandRequested))[-1][1]


async def reserve(
    hub: HubInProcess, *, within: timedelta = HOUR, outcome: CommandOutcome | None = CommandOutcome.ACCEPTED
) -> CommandRequested:
    until = format_timestamp(SystemClock().now() + within)
    body = ocpi_bodies.reserve_now("DE-AAA", location_id="OURS", evse_uid="OURS-1", expiry_date=until)
    asked = await command(hub, "RESERVE_NOW", body | {"authorization_reference": "REF"})
    await say(hub, asked, outcome)
    return asked


async def say(hub: HubInProcess, asked: CommandRequested, outcome: CommandOutcome | None) -> None:
    if outcome is not None:
        names = {"command_id": asked.command_id, "network": asked.network, "station_id": asked.station_id}
        await hear(hub, CommandAnswered(name=asked.name, outcome=outcome, **names), only=("commands",))


async def expired(hub: HubInProcess, after: timedelta = HOUR * 2) -> list[ReservationExpired]:
    await reserved.expire(replace(hub.services, clock=Later(after)))
    return [message for _, message in await outbox.waiting(hub.services.database, ReservationExpired)]


async def cdrs(hub: HubInProcess, version: str = "2.3.0") -> list[Any]:
    found: list[Any] = (await hub.call("aaa", "GET", f"/{version}/sender/cdrs")).data
    return found


async def test_nobody_came(hub: HubInProcess) -> None:
    asked = await reserve(hub)
    assert await expired(hub, HOUR + timedelta(minutes=9)) == [], "a station may still tell that it was used"
    (message,) = await expired(hub)
    assert (message.reservation_id, message.evse_uid) == (asked.command_id, "OURS-1")
    assert await expired(hub) == [message], "once"
    for _ in range(2):
        await hear(hub, message, only=("cdrs",))
    (cdr,) = await cdrs(hub)
    place = cdr["cdr_location"]
    assert (place["id"], place["evse_uid"], place["evse_id"], place["connector_id"]) == ("OURS", "#NA", "#NA", "#NA")
    (period,) = cdr["charging_periods"]
    assert [each["type"] for each in period["dimensions"]] == ["RESERVATION_TIME"]
    assert Decimal(str(cdr["total_cost"]["before_taxes"])) == Decimal(9), "4 once, and 5 an hour; no start fee"
    assert cdr["total_reservation_cost"] == cdr["total_cost"]
    assert (cdr["total_energy"], cdr["total_time"]) == (0, 0)
    assert (cdr["authorization_reference"], cdr["auth_method"]) == ("REF", "COMMAND")
    assert "session_id" not in cdr
    (older,) = await cdrs(hub, "2.2.1")
    assert older["total_reservation_cost"] == {"excl_vat": 9, "incl_vat": 10.8}
    assert (await hub.call("bbb", "GET", "/2.3.0/sender/cdrs")).data == []


async def test_what_was_told_while_the_hub_was_away_is_waited_for(hub: HubInProcess) -> None:
    await reserve(hub)
    services = replace(hub.services, clock=Later(HOUR * 2))
    now = services.clock.now()
    assert await reserved.expire(services, running_since=now - timedelta(minutes=9)) == 0
    assert await reserved.expire(services, running_since=now - timedelta(minutes=11)) == 1


@pytest.mark.parametrize("outcome", [CommandOutcome.OCCUPIED, CommandOutcome.TIMEOUT, None])
async def test_what_the_station_did_not_promise_is_no_reservation(
    hub: HubInProcess, outcome: CommandOutcome | None
) -> None:
    await reserve(hub, outcome=outcome)
    assert await expired(hub) == []


@pytest.mark.parametrize("is_let_go", [True, False])
async def test_a_cancellation_counts_as_the_station_says(hub: HubInProcess, is_let_go: bool) -> None:
    await reserve(hub)
    cancel = await command(hub, "CANCEL_RESERVATION", ocpi_bodies.cancel_reservation(reservation_id="R1"))
    assert cancel.name is CommandName.CANCEL_RESERVATION
    await say(hub, cancel, CommandOutcome.ACCEPTED if is_let_go else CommandOutcome.REJECTED)
    assert len(await expired(hub)) == (0 if is_let_go else 1)


@pytest.mark.parametrize(
    ("started", "is_used"),
    [
        ({}, True),
        ({"reservation_id": None}, True),
        ({"reservation_id": None, "token_uid": "OTHER"}, False),
        ({"reservation_id": None, "started_at": SystemClock().now() + HOUR * 3}, False),
        ({"authorization": AuthorizationStatus.BLOCKED}, False),
        ({"reservation_id": None, "station_id": "CS-2"}, False),
    ],
    ids=["by its id", "by its card", "another card", "later", "not let in", "elsewhere"],
)
async def test_a_charge_uses_it(hub: HubInProcess, started: dict[str, Any], is_used: bool) -> None:
    asked = await reserve(hub)
    values: dict[str, Any] = {
        "network": "main",
        "station_id": "CS-1",
        "connector_id": 1,
        "transaction_id": "1",
        "token_uid": str(asked.token_uid).lower(),
        "started_at": SystemClock().now(),
        "register_wh": Decimal(0),
        "authorization": AuthorizationStatus.ACCEPTED,
        "reservation_id": asked.reservation_id,
    }
    await hear(hub, TransactionStarted(**values | started), only=("commands",))
    assert len(await expired(hub, HOUR * 4)) == (0 if is_used else 1)


async def test_one_that_replaces_it_counts_alone(hub: HubInProcess) -> None:
    await reserve(hub)
    second = await reserve(hub, within=HOUR / 2)
    assert [message.reservation_id for message in await expired(hub)] == [second.command_id]


async def test_a_tariff_without_a_price_for_it_bills_nothing(hub: HubInProcess) -> None:
    await publish(hub, element("FLAT", 3), element("ENERGY", 0.3))
    await reserve(hub)
    (message,) = await expired(hub)
    await hear(hub, message, only=("cdrs",))
    assert await cdrs(hub) == []


async def test_it_costs_what_its_emsp_is_offered(hub: HubInProcess) -> None:
    await publish(hub, element("TIME", 2, reservation="RESERVATION"), id="FLEET")
    await rule(hub.services.database, [a_rule("price", "locations", partner="aaa", tariffs=["FLEET"])])
    await reserve(hub)
    (message,) = await expired(hub)
    await hear(hub, message, only=("cdrs",))
    assert (await cdrs(hub))[0]["total_cost"]["before_taxes"] == 2
