"""Two eMSPs whose drivers carry the same uid charge at the same time: each gets its own session and CDR, whoever was
authorised last, and whatever order the facts come in."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contracts.messages import (
    AuthorizationDecided,
    AuthorizationRequested,
    Message,
    SessionEnded,
    TransactionEnded,
    TransactionStarted,
)
from contracts.vocabulary import AuthorizationStatus, StopReason
from roaming.hub.fan_out import FanOut
from roaming.modules.cdrs.projection import handle as issue_cdrs
from roaming.modules.sessions.projection import Sessions
from roaming.modules.tokens.asking import decide
from roaming.partners.drivers import find_drivers, touch_driver
from roaming.store.consume import Received
from roaming.store.locks import locks_of
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, RECEIVER, SENDER, HubInProcess, hub_in_process
from tests.kit.outbox import waiting
from tests.kit.speaking import envelope_of

UID = "04C0FFEE"
AT = {"aaa": "CS-A", "bbb": "CS-B"}
OWNER = {"aaa": "DE-AAA", "bbb": "DE-BBB"}
STARTED = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """A station at each of two locations, and a token of the same uid of each eMSP."""
    async with hub_in_process(database_url, tmp_path) as running:
        running.services = replace(running.services, closing_grace=0.0)
        for station in AT.values():
            await running.host_location(f"AT-{station}")
            await running.host_station(station, f"AT-{station}")
        for partner, owner in OWNER.items():
            body = ocpi_bodies.token(owner, uid=UID, contract_id=f"{owner}-C1", whitelist="ALLOWED")
            path = f"{RECEIVER}/tokens/{owner.replace('-', '/')}/{UID}"
            assert (await running.call(partner, "PUT", path, body=body)).outcome == (201, 1000)
        yield running


async def decided_for(hub: HubInProcess, partner: str) -> AuthorizationDecided:
    """The service's word at the partner's station, while the other eMSP takes its token back for a moment."""
    other = next(name for name in AT if name != partner)
    await set_valid(hub, other, False)
    question = AuthorizationRequested(
        request_id=f"asked-{partner}",
        network="main",
        station_id=AT[partner],
        connector_id=1,
        token_uid=UID,
        deadline=hub.services.clock.now() + timedelta(seconds=5),
    )
    decided = await decide(hub.services, envelope_of(question), question)
    await set_valid(hub, other, True)
    assert decided.status == AuthorizationStatus.ACCEPTED
    assert decided.owner is not None
    assert decided.owner.party == OWNER[partner]
    return decided


_stamps = (datetime(2026, 11, 23, 11, tzinfo=UTC) + timedelta(seconds=n) for n in itertools.count())


async def set_valid(hub: HubInProcess, partner: str, is_valid: bool) -> None:
    body = {"valid": is_valid, "last_updated": next(_stamps).isoformat().replace("+00:00", "Z")}
    path = f"{RECEIVER}/tokens/{OWNER[partner].replace('-', '/')}/{UID}"
    assert (await hub.call(partner, "PATCH", path, body=body)).outcome == (200, 1000)


def started(partner: str, decided: AuthorizationDecided) -> TransactionStarted:
    return TransactionStarted(
        network="main",
        station_id=AT[partner],
        connector_id=1,
        transaction_id="1",
        token_uid=decided.token_uid,
        started_at=STARTED,
        register_wh=Decimal(1000),
        authorization=decided.status,
        authorization_basis=decided.basis,
        authorization_reference=f"reference-{partner}",
        token_owner=decided.owner,
    )


def ended(partner: str) -> TransactionEnded:
    return TransactionEnded(
        network="main",
        station_id=AT[partner],
        transaction_id="1",
        ended_at=STARTED + timedelta(minutes=20),
        register_wh=Decimal(5000),
        reason=StopReason.DRIVER,
    )


async def tell(hub: HubInProcess, handle: Any, messages: Sequence[Message]) -> None:
    async with hub.services.database.work() as work:
        await handle(work, [Received(envelope_of(message), message) for message in messages])


async def fan_out(hub: HubInProcess) -> set[tuple[str, str, str]]:
    """(module, partner, to party) of every delivery of a session or CDR."""
    locks = locks_of(hub.services.database)
    telling = FanOut(hub.services, hub.services.modules, locks)
    while await telling.fan_out_once():
        pass
    await locks.close()
    rows = await hub.services.database.reader.fetch(
        "SELECT module, partner_id, to_party FROM deliveries WHERE module IN ('sessions', 'cdrs')"
    )
    return {(row[0], row[1], row[2]) for row in rows}


@pytest.mark.parametrize("last_authorised", ["aaa", "bbb"])
@pytest.mark.parametrize("order", list(itertools.permutations(["aaa", "bbb"])))
async def test_each_gets_only_its_own(hub: HubInProcess, last_authorised: str, order: Sequence[str]) -> None:
    decisions = {partner: await decided_for(hub, partner) for partner in order}
    for driver in sorted(
        await find_drivers(hub.services.database, UID), key=lambda d: str(d.owner) == OWNER[last_authorised]
    ):
        async with hub.services.database.work() as work:
            await touch_driver(work, driver)
    sessions = Sessions(hub.services)
    await tell(hub, sessions.handle, [started(partner, decisions[partner]) for partner in order])
    await tell(hub, sessions.handle, [ended(partner) for partner in reversed(order)])
    assert await sessions.close_due() == 2
    ends = [message for _, message in await waiting(hub.services.database, SessionEnded)]
    await tell(hub, partial(issue_cdrs, hub.services), ends)
    for partner, owner in OWNER.items():
        for module in ("sessions", "cdrs"):
            answer = await hub.call(partner, "GET", f"{SENDER}/{module}?date_from=2020-01-01T00:00:00Z")
            [entry] = answer.data
            token = entry["cdr_token"]
            assert (f"{token['country_code']}-{token['party_id']}", token["contract_id"]) == (owner, f"{owner}-C1")
            assert entry["authorization_reference"] == f"reference-{partner}"
            place = entry["cdr_location"]["evse_uid"] if module == "cdrs" else entry["evse_uid"]
            assert place == f"AT-{AT[partner]}-1"
            assert f"{entry['country_code']}-{entry['party_id']}" == HOSTED_CPO
    assert await fan_out(hub) == {
        (module, partner, owner) for partner, owner in OWNER.items() for module in ("sessions", "cdrs")
    }
