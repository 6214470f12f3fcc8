"""OCPP over WebSocket, as the central system: the declaration of this adapter, its settings, its life."""

import asyncio
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.kit.manifest import Adapter, Ports, RunningAdapter
from adapters.ocpp import trimming
from adapters.ocpp.asking import Dispatch
from adapters.ocpp.gateway import Gateway, Watch
from adapters.ocpp.presence import Presence
from adapters.ocpp.proxy.copies import Room
from adapters.ocpp.proxy.door import ProxyDoor
from adapters.ocpp.proxy.passing import Passing
from adapters.ocpp.proxy.returning import Returning
from adapters.ocpp.proxy.settings import Upstream
from adapters.ocpp.recording import Answering, Desk
from adapters.ocpp.rejected import RejectedFrames
from adapters.ocpp.security import Doorkeeper, Networks, Rules
from adapters.ocpp.spoken import OPERATIONS, chores_of, versions_of
from adapters.ocpp.state import open_state
from adapters.ocpp.station import Pace
from adapters.ocpp.tokens import Tokens
from adapters.ocpp.transactions import Transactions
from adapters.ocpp.transport import Handle, Limits, Listener, Server, TlsVersion
from adapters.ocpp.version import Version
from adapters.ocpp.websocket import listen
from adapters.ocpp.websocket_client import dial
from adapters.ocpp.wire import WireLog
from contracts.messages import (
    CertificateRequested,
    ConnectorStatusChanged,
    FirmwareStatusReported,
    LogStatusReported,
    MeterValuesTaken,
    SecurityEventReported,
    StationBooted,
    StationConnected,
    StationDeviationsCounted,
    StationDisconnected,
    StationFaultReported,
    StationFramesMissed,
    StationMessageRejected,
    StationReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    VendorDataReceived,
)
from contracts.vocabulary import CommandName

Subprotocol = Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]

logger = structlog.get_logger(__name__)


class OcppSettings(BaseModel):
    """Settings of the OCPP adapter."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(9000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    path: str = Field("/", description="What comes before the station identity in the URL.")
    tls_certificate: Path | None = Field(
        None, description="PEM file with the whole certificate chain. It and the next are read again when they change."
    )
    tls_key: Path | None = Field(None, description="PEM file with its private key.")
    tls_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port for TLS beside `port`, which then serves stations in clear text that have not moved up yet."
        " Without it, `port` serves TLS where there is a certificate.",
    )
    tls_minimum: TlsVersion = Field("1.2", description="Lowest version of TLS: 1.2 or 1.3.")
    tls_client_authorities: Path | None = Field(
        None,
        description="PEM file of the authorities whose client certificates are taken (security profile 3). The common"
        " name must be the station's identity.",
    )
    signs_certificates: bool = Field(
        False,
        description="Tell stations that request a certificate to wait for it: the operator signs with `roaming station"
        " sign`. Otherwise they are refused; both are told.",
    )
    has_wire_log: bool = Field(
        False,
        description="Keep a copy of every frame, secrets masked, for `roaming station wire`; `wire_days` and"
        " `wire_kilobytes` of the service say how long and how much.",
    )
    state_path: Path | None = Field(
        None,
        description="SQLite file for transaction ids, aliases of long tokens and pending remote starts. Give each"
        " instance its own. Without it they are kept in memory.",
    )
    kept_days: int = Field(
        90,
        ge=1,
        description="Days that ended transactions, reservations and aliases of long tokens are remembered there. A"
        " start or stop that a station repeats later is a new one.",
    )
    strangers: Literal["hold", "refuse"] = Field(
        "hold", description="An unknown station is held until somebody binds it, or refused with 401."
    )
    versions: tuple[Subprotocol, ...] = Field(
        ("ocpp1.6", "ocpp2.0.1", "ocpp2.1"),
        min_length=1,
        description="Subprotocols that stations may choose from.",
    )
    is_1_6_assumed: bool = Field(False, description="Accept stations that offer no subprotocol as OCPP 1.6.")
    passwordless_from: tuple[str, ...] = Field(
        ("127.0.0.0/8", "::1/128"),
        description="Networks (CIDR) from which an account without a password may connect.",
    )
    clear_text_from: tuple[str, ...] = Field(
        ("127.0.0.0/8", "::1/128"),
        description="Networks (CIDR) from which a password is taken without TLS: loopback, or the proxy that ends TLS.",
    )
    heartbeat_seconds: int = Field(300, ge=10, le=86400, description="Heartbeat interval given to stations.")
    pending_seconds: int = Field(30, ge=1, description="How soon a held station should ask again.")
    status_seconds: float = Field(
        30, ge=0, description="A station that tells no connector's status for so long is asked for it; 0: never."
    )
    ping_seconds: float = Field(60, ge=0, description="Between WebSocket pings to a silent station; 0: none.")
    call_seconds: float = Field(30, gt=0, description="How long a station may take to answer a command.")
    settle_seconds: float = Field(
        1, ge=0, description="Pause between a station's first message and the first command to it."
    )
    command_pause_seconds: float = Field(0.25, ge=0, description="Pause between two commands to one station.")
    authorize_seconds: float = Field(8, gt=0, description="How long an authorisation may take.")
    guess_pause_seconds: float = Field(
        2, ge=0, le=20, description="How long a station that shows many unknown tokens waits for each further answer."
    )
    messages_per_second: float = Field(20, gt=0, description="Of one station, in the long run.")
    message_burst: float = Field(200, ge=1, description="Of one station, at once.")
    accepts_per_second: float = Field(1000, gt=0, description="New connections, all stations together.")
    max_strangers: int = Field(1000, ge=0, description="Unknown stations held at the same time.")
    first_frame_seconds: float = Field(
        60, gt=0, description="A connection that neither says anything nor answers pings is closed after this."
    )
    frame_octets: int = Field(2**20, ge=1024, description="Longest message; a longer one closes with 1009.")
    offers_compression: bool = Field(
        False, description="Compress messages with stations that ask for it (permessage-deflate; OCPP 2.x wants it)."
    )
    mode: Literal["csms", "proxy"] = Field(
        "csms", description="Stations end here, or those of `upstreams` go through to their operators' own systems."
    )
    upstreams: tuple[Upstream, ...] = Field(
        (), description="Central systems of operators and the stations that go through to them; see the README."
    )
    copies_per_station: int = Field(
        1000, ge=1, description="Frames of a station that wait to be read after they passed; more are not read (proxy)."
    )
    copies_octets: int = Field(
        64 * 2**20, ge=2**16, description="The same for all stations together, in octets (proxy)."
    )
    hold_seconds: float = Field(
        5, ge=0, description="How long a central system's request waits at most for an answer to the hub (proxy)."
    )

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if (self.mode == "proxy") != bool(self.upstreams):
            raise ValueError("mode: proxy and upstreams go together; see the README of adapters/ocpp")
        return self

    @model_validator(mode="after")
    def _have_all_for_tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key: TLS needs both")
        if self.tls_port is not None and self.tls_certificate is None:
            raise ValueError("tls_port: TLS needs tls_certificate and tls_key")
        if self.tls_client_authorities is not None and self.tls_certificate is None:
            raise ValueError("tls_client_authorities: client certificates need tls_certificate and tls_key")
        return self

    @field_validator("passwordless_from", "clear_text_from")
    @classmethod
    def _are_networks(cls, blocks: tuple[str, ...]) -> tuple[str, ...]:
        Networks.of(blocks)
        return blocks


class RunningOcpp:
    """Implements ``RunningAdapter``."""

    def __init__(
        self,
        servers: Mapping[str, Server],
        gateway: Gateway,
        state: sqlite3.Connection,
        chores: Sequence[asyncio.Future[None]],
        *,
        path: str,
    ) -> None:
        self.servers = servers
        """By scheme."""
        self.gateway = gateway
        self._state = state
        self._chores = chores
        path = path if path.endswith("/") else f"{path}/"
        self._addresses = [
            f"{scheme}://{address}{path}" for scheme, server in servers.items() for address in server.addresses()
        ]

    def is_healthy(self) -> bool:
        """See ``RunningAdapter``."""
        return all(server.is_serving() for server in self.servers.values())

    def addresses(self) -> dict[str, str]:
        """See ``RunningAdapter``. Stations append their identity."""
        return dict(zip(("ocpp", "ocpp-2", "ocpp-3", "ocpp-4"), self._addresses, strict=False))

    async def stop(self) -> None:
        """See ``RunningAdapter``. Stations are closed with 1012, so that they come back."""
        for server in self.servers.values():
            await server.stop_accepting()
        await self.gateway.drain()
        try:
            async with asyncio.timeout(3):
                await asyncio.gather(*(server.close() for server in self.servers.values()))
        except TimeoutError:
            logger.warning("connections were left open")
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        self._state.close()


async def start(ports: Ports, settings: OcppSettings) -> RunningAdapter:
    """Returns when stations can connect. Raises ``OSError`` when the address is taken, ``sqlite3.Error`` when the
    state file cannot be used."""
    _warn(settings)
    state = open_state(settings.state_path)
    try:
        return await _start(ports, settings, state)
    except BaseException:
        state.close()
        raise


async def _start(ports: Ports, settings: OcppSettings, state: sqlite3.Connection) -> RunningAdapter:
    transactions = Transactions(state, secret=ports.secret)
    tokens = Tokens(state, secret=ports.secret, now=ports.now)
    desk = Desk(
        ports=ports,
        transactions=transactions,
        tokens=tokens,
        rejected=RejectedFrames(state),
        answering=Answering(
            heartbeat_seconds=settings.heartbeat_seconds,
            pending_seconds=settings.pending_seconds,
            authorize_seconds=settings.authorize_seconds,
            guess_pause_seconds=settings.guess_pause_seconds,
            signs_certificates=settings.signs_certificates,
        ),
    )
    rules = Rules(
        path=settings.path,
        strangers=settings.strangers,
        subprotocols=settings.versions,
        is_1_6_assumed=settings.is_1_6_assumed,
        passwordless_from=settings.passwordless_from,
        clear_text_from=settings.clear_text_from,
    )
    versions = versions_of(desk, state)
    doorkeeper = Doorkeeper(rules, ports.accounts)
    gateway = Gateway(
        ports=ports,
        doorkeeper=doorkeeper,
        versions=versions,
        presence=Presence(state),
        passing=_passing(settings, desk, doorkeeper, versions),
        pace=_pace(settings),
        watch=_watch(settings),
    )
    by_version = {name: version.carry_out for name, version in versions.items()}
    operations = {name: version.operate for name, version in versions.items()}
    dispatch = Dispatch(find_station=gateway.find, versions=by_version, operations=operations)
    ports.commands.serve(dispatch.carry_out)
    ports.commands.serve_operations(dispatch.carry_out_operation)
    wire = _wire_log(ports) if settings.has_wire_log else None
    servers = await _listen(settings, gateway, gateway.handle if wire is None else wire.listening(gateway.handle))
    gateway.start()
    kept = timedelta(days=settings.kept_days)
    chores = [asyncio.ensure_future(chore()) for chore in chores_of(desk, state)]
    if gateway.passing is not None:
        door = gateway.passing.door
        has_open = partial(_has_open, transactions)
        returning = Returning(door=door, stations=gateway.stations, has_open=has_open)
        chores.append(asyncio.create_task(returning.run()))
    chores.append(asyncio.create_task(trimming.run(state, now=ports.now, kept=kept)))
    if wire is not None:
        chores.append(asyncio.create_task(wire.run(), name="wire log"))
    return RunningOcpp(servers, gateway, state, chores, path=settings.path)


def _wire_log(ports: Ports) -> WireLog | None:
    def is_bound(station_id: str) -> bool:
        account = ports.accounts.find(station_id)
        return account is not None and account.is_admitted

    return None if ports.wire is None else WireLog(ports.wire, ports.network, is_known=is_bound)


def _has_open(transactions: Transactions, station_id: str) -> bool:
    return bool(transactions.open_at(station_id))


def _passing(
    settings: OcppSettings, desk: Desk, doorkeeper: Doorkeeper, versions: Mapping[str, Version]
) -> Passing | None:
    if settings.mode != "proxy":
        return None
    door = ProxyDoor(
        upstreams=settings.upstreams,
        doorkeeper=doorkeeper,
        dial=dial,
        limits=Limits(frame_octets=settings.frame_octets),
        ping_seconds=settings.ping_seconds,
    )
    return Passing(
        door=door,
        versions=versions,
        record=desk.record,
        network=desk.ports.network,
        now=desk.ports.now,
        pace=_pace(settings),
        copies_per_station=settings.copies_per_station,
        room=Room(octets=settings.copies_octets),
        hold_seconds=settings.hold_seconds,
    )


def _pace(settings: OcppSettings) -> Pace:
    return Pace(
        messages_per_second=settings.messages_per_second,
        burst=settings.message_burst,
        call_seconds=settings.call_seconds,
        settle_seconds=settings.settle_seconds,
        pause_seconds=settings.command_pause_seconds,
    )


def _watch(settings: OcppSettings) -> Watch:
    return Watch(
        accepts_per_second=settings.accepts_per_second,
        max_strangers=settings.max_strangers,
        first_frame_seconds=settings.first_frame_seconds,
        ping_seconds=settings.ping_seconds,
        status_seconds=settings.status_seconds,
        # Three heartbeats at the longest interval given out, or three pings.
        silent_seconds=max(3.6 * settings.heartbeat_seconds, 3 * settings.ping_seconds),
    )


async def _listen(settings: OcppSettings, gateway: Gateway, handle: Handle) -> dict[str, Server]:
    """By scheme. Raises ``OSError``, and then nothing listens."""
    limits = Limits(frame_octets=settings.frame_octets)
    clear = Listener(
        host=settings.host, port=settings.port, limits=limits, offers_compression=settings.offers_compression
    )
    encrypted = _encrypted(settings, limits) if settings.tls_certificate else None
    wanted = {"ws": clear if encrypted is None or settings.tls_port is not None else None, "wss": encrypted}
    servers: dict[str, Server] = {}
    try:
        for scheme, listener in wanted.items():
            if listener is not None:
                servers[scheme] = await listen(listener, gateway.welcome, handle)
    except BaseException:
        for server in servers.values():
            await server.close()
        raise
    return servers


def _encrypted(settings: OcppSettings, limits: Limits) -> Listener:
    return Listener(
        host=settings.host,
        port=settings.port if settings.tls_port is None else settings.tls_port,
        certificate=str(settings.tls_certificate) if settings.tls_certificate else None,
        key=str(settings.tls_key) if settings.tls_key else None,
        minimum_tls=settings.tls_minimum,
        client_authorities=str(settings.tls_client_authorities) if settings.tls_client_authorities else None,
        limits=limits,
        offers_compression=settings.offers_compression,
    )


def _warn(settings: OcppSettings) -> None:
    if settings.state_path is None:
        logger.warning("state_path is not set: what is kept between two messages is lost at a restart")
    is_uvloop = type(asyncio.get_running_loop()).__module__.startswith("uvloop")
    if settings.tls_certificate and not is_uvloop and sys.platform != "win32":
        logger.warning("run under uvloop: the standard event loop takes seven times the memory for each TLS station")


ADAPTER = Adapter(
    name="ocpp",
    settings=OcppSettings,
    provides=(
        StationConnected,
        StationDisconnected,
        StationBooted,
        StationFaultReported,
        StationFramesMissed,
        StationMessageRejected,
        StationDeviationsCounted,
        StationReported,
        ConnectorStatusChanged,
        TransactionStarted,
        TransactionUpdated,
        TransactionEnded,
        MeterValuesTaken,
        FirmwareStatusReported,
        LogStatusReported,
        SecurityEventReported,
        VendorDataReceived,
        CertificateRequested,
    ),
    requires=(
        CommandName.START_CHARGING,
        CommandName.STOP_CHARGING,
        CommandName.UNLOCK_CONNECTOR,
        CommandName.RESERVE,
        CommandName.CANCEL_RESERVATION,
        CommandName.SET_CHARGING_PROFILE,
        CommandName.CLEAR_CHARGING_PROFILE,
        CommandName.GET_COMPOSITE_SCHEDULE,
    ),
    operations=OPERATIONS,
    start=start,
    notes={"versions": "OCPP 1.6J, 2.0.1, 2.1", "security profiles": "0, 1, 2, 3"},
)
