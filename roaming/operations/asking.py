"""Asks stations for an operator: the record and the message in one transaction, once per idempotency key."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Protocol

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.envelope import message_id
from contracts.messages import CommandRequested, OperationRequested
from contracts.messages.message import Message
from contracts.messages.operation import (
    ConfigurationEntry,
    RaiseSecurityProfile,
    SendCertificate,
    SetConfiguration,
    UpdateFirmware,
    UploadLog,
)
from contracts.messages.publishing import PublishFirmware
from contracts.signing_requests import Unsignable
from contracts.vocabulary import CommandName
from roaming.operations import certificates, records
from roaming.operations.authority import Authority, UnusableAuthority
from roaming.operations.files import HERE, Addresses, NoSuchFile, describe, know_md5
from roaming.operations.orders import (
    PASSWORD_KEY,
    AnyOrder,
    CancelReservation,
    ChangePassword,
    Reserve,
    SignCertificate,
    StartCharging,
    StopCharging,
    UnlockConnector,
    is_password,
    masked,
)
from roaming.operations.records import Record
from roaming.operations.selecting import StationKey
from roaming.stations import passwords
from roaming.stations.presence import Presence, presences_of
from roaming.stations.securing import give_password, want_profile
from roaming.stations.tables import RunningSessionRow
from roaming.store.database import Database, Work

RUNNING = RunningSessionRow.__table__  # type: ignore[attr-defined]
LONGEST_WAIT = timedelta(hours=1)
THEIR_PASSWORD = "its password is its operator's own central system's, which the station goes through to"
_NAMES = {
    StartCharging: CommandName.START_CHARGING,
    StopCharging: CommandName.STOP_CHARGING,
    UnlockConnector: CommandName.UNLOCK_CONNECTOR,
    Reserve: CommandName.RESERVE,
    CancelReservation: CommandName.CANCEL_RESERVATION,
}


class NotOurs(ValueError):
    """What is wanted of a station is not this hub's to give; the text says whose."""


class KeyTaken(ValueError):
    """The idempotency key belongs to another request."""


class DigestPassword(Protocol):
    """How the adapters know a password of a station's (``contracts.station_keys``)."""

    def __call__(self, password: str, *, network: str, station_id: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What an operator wants of some stations."""

    order: AnyOrder
    who: str
    why: str = ""
    key: str = ""
    """The caller's own, for saying the same thing twice; empty: each call is a request of its own."""
    wait: timedelta = timedelta(seconds=30)
    """How long a station has, at most ``LONGEST_WAIT``."""
    batch_id: str = ""
    """Computed from ``key`` unless it is part of something greater."""


async def make_ready(database: Database, order: AnyOrder) -> None:
    """What takes too long for the transaction of ``ask``, before it. Raises ``NoSuchFile``."""
    if isinstance(order, PublishFirmware) and order.url.startswith(HERE):
        await know_md5(database, order.url.removeprefix(HERE))


async def ask(
    work: Work,
    stations: Sequence[StationKey],
    wish: Wish,
    *,
    addresses: Addresses | None = None,
    authority: Authority | None = None,
    digest_password: DigestPassword | None = None,
) -> list[Record]:
    """Asks each of the stations, after ``make_ready``; returns the records, those of the first time for a repetition.
    A station that is not connected is answered OFFLINE at once. ``addresses``: for files of this hub, each station gets
    one of its own; ``authority``: for certificates; ``digest_password``: for passwords. Raises ``KeyTaken`` and
    ``NoSuchFile``."""
    batch_id = wish.batch_id or (message_id("batch", wish.who, wish.key) if wish.key else uuid.uuid4().hex)
    kind = str(type(wish.order).__struct_config__.tag)
    digest = hashlib.blake2b(msgspec.json.encode(wish.order), digest_size=16).hexdigest()
    shown = masked(wish.order)
    made = {
        message_id("operation", batch_id, network, station_id): Record(
            id=message_id("operation", batch_id, network, station_id),
            batch_id=batch_id,
            network=network,
            station_id=station_id,
            kind=kind,
            request=shown,
            digest=digest,
            who=wish.who,
            why=wish.why,
            state="REQUESTED",
            created_at=work.now,
            deadline=work.now + min(wish.wait, LONGEST_WAIT),
        )
        for network, station_id in dict.fromkeys(stations)
    }
    known = await records.load(work.connection, list(made))
    if any(record.digest != digest for record in known.values()):
        raise KeyTaken("Idempotency-Key: it was used for another request; take a new one")
    fresh = [record for id, record in made.items() if id not in known]
    sent = await _send(work, fresh, wish.order, _Means(addresses, authority, digest_password))
    await records.insert(work.connection, sent)
    work.wake("operations")
    return [known.get(id) or next(record for record in sent if record.id == id) for id in made]


@dataclass(frozen=True)
class _Means:
    """What makes an order a station's own."""

    addresses: Addresses | None
    authority: Authority | None
    digest_password: DigestPassword | None


async def _send(work: Work, fresh: Sequence[Record], order: AnyOrder, means: _Means) -> list[Record]:
    present = await presences_of(work.connection, [(record.network, record.station_id) for record in fresh])
    done: list[Record] = []
    for record in fresh:
        presence = present.get((record.network, record.station_id))
        if presence is None or not presence.is_commandable:
            done.append(_answered(work, record, "OFFLINE", "the station is not connected"))
            continue
        try:
            own = await _own(work, record, presence, order, means)
        except (Unsignable, UnusableAuthority, NotOurs) as error:
            done.append(_answered(work, record, "REJECTED", str(error)))
            continue
        message = await _message(work.connection, record, presence, own)
        if message is None:
            done.append(_answered(work, record, "UNKNOWN", "not exactly one charge runs there: say transaction_id"))
            continue
        work.outbox.add(message, subject=presence.instance, id=record.id, correlation_id=record.batch_id)
        done.append(record)
    return done


async def _own(work: Work, record: Record, presence: Presence, order: AnyOrder, means: _Means) -> AnyOrder:
    """The order as this one station is given it."""
    if isinstance(order, ChangePassword):
        order = _new_password(presence, means)
    if isinstance(order, SetConfiguration):
        await _expect_passwords(work, record, presence, order, means)
        return order
    whose = {"network": record.network, "station_id": record.station_id}
    if isinstance(order, RaiseSecurityProfile):
        await want_profile(work, **whose, profile=order.profile)
    if isinstance(order, SendCertificate):
        return await certificates.brought(work, order, **whose)
    if not isinstance(order, SignCertificate):
        return await _with_address(work, record, order, means.addresses)
    if means.authority is None:
        raise UnusableAuthority("certificates cannot be signed here")
    return await certificates.signed(work, means.authority, **whose)


def _new_password(presence: Presence, means: _Means) -> SetConfiguration:
    """Raises ``NotOurs``."""
    if presence.is_proxied:
        raise NotOurs(THEIR_PASSWORD)
    if means.digest_password is None:
        raise NotOurs("passwords cannot be given here")
    value = passwords.as_given(passwords.new_password(), protocol=presence.protocol)
    return SetConfiguration(entries=(ConfigurationEntry(key=PASSWORD_KEY, value=value),))


async def _expect_passwords(
    work: Work, record: Record, presence: Presence, order: SetConfiguration, means: _Means
) -> None:
    """A station that is given a password, by whatever name, is known by it before it can come with it. Raises
    ``NotOurs``: with another than its operator's own central system knows it would be locked out there."""
    whose = {"network": record.network, "station_id": record.station_id}
    for entry in order.entries:
        if is_password(entry.key) and presence.is_proxied:
            raise NotOurs(THEIR_PASSWORD)
        if is_password(entry.key) and means.digest_password is not None:
            digests = passwords.digests_of(entry.value, partial(means.digest_password, **whose))
            await give_password(work, **whose, digests=digests)


async def _with_address(work: Work, record: Record, order: AnyOrder, addresses: Addresses | None) -> AnyOrder:
    """``hub:`` and a file becomes an address of this station's own, and brings the file's signature."""
    if not isinstance(order, UpdateFirmware | UploadLog | PublishFirmware) or not order.url.startswith(HERE):
        return order
    if addresses is None:
        raise NoSuchFile("files of this hub cannot be given here")
    if isinstance(order, UploadLog):
        url = await addresses.to_lay_down(work, record.network, record.station_id)
        return msgspec.structs.replace(order, url=url)
    file = await describe(work.connection, order.url.removeprefix(HERE))
    url = await addresses.to_fetch(work, file["id"], record.network, record.station_id)
    if isinstance(order, PublishFirmware):
        return msgspec.structs.replace(order, url=url, checksum=file["md5"])
    certificate, signature = file["certificate"] or None, file["signature"] or None
    return msgspec.structs.replace(order, url=url, signing_certificate=certificate, signature=signature)


def _answered(work: Work, record: Record, outcome: str, detail: str) -> Record:
    return replace(record, state="ANSWERED", outcome=outcome, detail=detail, answered_at=work.now)


async def _message(connection: AsyncConnection, record: Record, presence: Presence, order: AnyOrder) -> Message | None:
    """``None`` where it is not clear which charge is meant."""
    name = _NAMES.get(type(order))
    if name is None:
        return OperationRequested(
            operation_id=record.id,
            instance=presence.instance,
            epoch=presence.epoch,
            network=record.network,
            station_id=record.station_id,
            deadline=record.deadline,
            operation=order,  # type: ignore[arg-type]  # what is no command is an operation
        )
    command = CommandRequested(
        command_id=record.id,
        instance=presence.instance,
        epoch=presence.epoch,
        network=record.network,
        station_id=record.station_id,
        name=name,
        deadline=record.deadline,
    )
    said = {
        field.name: getattr(order, field.name)
        for field in msgspec.structs.fields(type(order))
        if field.name != "expires_at"
    }
    if isinstance(order, Reserve):
        said["reservation_expires_at"] = order.expires_at
    if isinstance(order, StopCharging) and order.transaction_id is None:
        said["transaction_id"] = await _only_charge(connection, record)
        if said["transaction_id"] is None:
            return None
    return msgspec.structs.replace(command, **said)


async def _only_charge(connection: AsyncConnection, record: Record) -> str | None:
    statement = select(RUNNING.c.transaction_id).where(
        RUNNING.c.network == record.network, RUNNING.c.station_id == record.station_id
    )
    running = {row[0] for row in await connection.execute(statement)}
    return str(running.pop()) if len(running) == 1 else None
