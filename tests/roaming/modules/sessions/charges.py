"""What a station GOOD tells of its charges, and a hub that hears it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from contracts.messages import Message, MeterValuesTaken, SessionEnded, TransactionEnded, TransactionStarted
from contracts.messages.metering import MeterSample, MeterValue
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, Measurand, StopReason
from roaming.model.canonical import from_document
from roaming.model.cdr import CDR
from roaming.modules.cdrs.projection import handle as issue_cdrs
from roaming.modules.sessions.projection import Sessions
from roaming.modules.sessions.repository import TRANSACTIONS
from roaming.store.consume import Received
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import RECEIVER, HubInProcess, hub_in_process
from tests.kit.outbox import waiting
from tests.kit.speaking import envelope_of

NOW = datetime.now(UTC).replace(microsecond=0)
BEGAN = NOW - timedelta(hours=2)
UID = "04C0FFEE"


@asynccontextmanager
async def hub_with_station(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """Station GOOD, and a driver; no grace for late values, and updates at every reading."""
    async with hub_in_process(database_url, tmp_path) as hub:
        hub.services = replace(hub.services, closing_grace=0.0, session_push_interval=0.0)
        await hub.host_location("AT-GOOD")
        await hub.host_station("GOOD", "AT-GOOD")
        body = ocpi_bodies.token("DE-AAA", uid=UID, contract_id="DE-AAA-C1", whitelist="ALLOWED")
        assert (await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/{UID}", body=body)).outcome == (201, 1000)
        yield hub


def after(minutes: float) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


def started(id: str, minutes: float, *, wh: int = 1000) -> TransactionStarted:
    return TransactionStarted(
        network="main",
        station_id="GOOD",
        connector_id=1,
        transaction_id=id,
        token_uid=UID,
        started_at=after(minutes),
        register_wh=Decimal(wh),
        authorization=AuthorizationStatus.ACCEPTED,
        authorization_basis=AuthorizationBasis.REAL_TIME,
    )


def metered(id: str, minutes: float, wh: int) -> MeterValuesTaken:
    value = MeterValue(measurand=Measurand.ENERGY_REGISTER, value=Decimal(wh))
    sample = MeterSample(at=after(minutes), values=(value,))
    return MeterValuesTaken(network="main", station_id="GOOD", connector_id=1, transaction_id=id, samples=(sample,))


def ended(id: str, minutes: float, wh: int) -> TransactionEnded:
    return TransactionEnded(
        network="main",
        station_id="GOOD",
        transaction_id=id,
        ended_at=after(minutes),
        register_wh=Decimal(wh),
        reason=StopReason.DRIVER,
    )


async def tell(hub: HubInProcess, *messages: Message) -> None:
    async with hub.services.database.work() as work:
        await Sessions(hub.services).handle(work, [Received(envelope_of(message), message) for message in messages])


async def let_pass(hub: HubInProcess) -> None:
    """The time until which late facts are waited for."""
    async with hub.services.database.work() as work:
        await work.connection.execute(TRANSACTIONS.update().values(close_at=NOW - timedelta(seconds=1)))
    await Sessions(hub.services).close_due()


async def states(hub: HubInProcess) -> dict[str, str]:
    rows = await hub.services.database.reader.fetch("SELECT transaction_id, state FROM transactions")
    return {row[0]: row[1] for row in rows}


async def billed(hub: HubInProcess) -> list[CDR]:
    """The CDRs of the sessions that have ended so far, by their beginning."""
    ends = [
        Received(envelope_of(message), message) for _, message in await waiting(hub.services.database, SessionEnded)
    ]
    async with hub.services.database.work() as work:
        await issue_cdrs(hub.services, work, ends)
    rows: Sequence[Any] = await hub.services.database.reader.fetch("SELECT document FROM cdrs")
    return sorted((from_document(CDR, row[0]) for row in rows), key=lambda cdr: cdr.start_date_time)
