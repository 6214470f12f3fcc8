"""The scenarios every adapter passes, from its stations to the bus and back, with the real kit around it."""

import importlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from adapters.kit.finding import adapter_names
from adapters.kit.runner import RunningKit, run
from contracts.bus.memory import MemoryBus
from contracts.bus.port import Subscription
from contracts.envelope import Envelope, wrap
from contracts.messages import (
    CommandAnswered,
    CommandRequested,
    ConnectorStatusChanged,
    Message,
    MeterValuesTaken,
    OperatorAgreementsChanged,
    StationAccountChanged,
    StationBooted,
    StationConnected,
    StationDisconnected,
    StationFaultReported,
    TokenChanged,
    TokenOwner,
    TransactionEnded,
    TransactionStarted,
    token_subject,
)
from contracts.station_keys import digest_station_key
from contracts.topics import COMMANDS, EVENTS, METER, STATIONS, TOKENS
from contracts.vocabulary import (
    AuthorizationBasis,
    AuthorizationStatus,
    CommandName,
    CommandOutcome,
    ConnectorStatus,
    StopReason,
    WhitelistPolicy,
)
from tests.kit.adapter_driver import AdapterDriver
from tests.kit.wait import until

NETWORK = "demo"
INSTANCE = "one"
PEPPER = b"pepper"
TOKEN = "04A2B3C4D5E6F7"
OPERATOR = "NL-HUB"
EMSP = TokenOwner(country_code="DE", party_id="ABC", token_type="APP_USER", contract_id="DE-ABC-C1")

M = TypeVar("M", bound=Message)


class World:
    """A running adapter, its station, and everybody else's end of the bus."""

    def __init__(self, driver: AdapterDriver, data_dir: Path) -> None:
        self.driver = driver
        self.envelopes: list[Envelope] = []
        self._data_dir = data_dir
        self._bus: MemoryBus | None = None
        self._kit: RunningKit | None = None

    async def start(self) -> None:
        """The bus, the adapter, the station's account, a token; then the station connects."""
        self._bus = MemoryBus()
        self._bus.subscribe(Subscription(group="everybody", topics=(EVENTS, METER), handler=self._read))
        await self._bus.start()
        self._kit = await run(
            self.driver.adapter,
            self.driver.settings,
            bus=self._bus,
            network=NETWORK,
            instance=INSTANCE,
            data_dir=self._data_dir,
            pepper=PEPPER,
            secret=b"secret",
        )
        await self._bus.publish(STATIONS, [_envelope(self._account(), subject=self._subject)])
        await self._bus.publish(TOKENS, [_envelope(_token(), subject=token_subject(_token()))])
        agreements = OperatorAgreementsChanged(operator=OPERATOR, emsps=("NL-EMP",))
        await self._bus.publish(TOKENS, [_envelope(agreements, subject=f"agreements/{OPERATOR}")])
        await self.driver.connect(self._kit)

    async def stop(self) -> None:
        """Stops the adapter; its data stays."""
        if self._kit is not None and self._bus is not None:
            await self._kit.stop()
            await self._bus.close()

    def told(self, kind: type[M]) -> list[M]:
        """What the bus was told, each fact once, in order."""
        unique = {envelope.id: envelope for envelope in self.envelopes}.values()
        return [
            message
            for envelope in sorted(unique, key=lambda envelope: envelope.sequence)
            if isinstance(message := envelope.message(), kind)
        ]

    def statuses(self, connector: int) -> list[ConnectorStatus]:
        """Of one connector, in order."""
        return [told.status for told in self.told(ConnectorStatusChanged) if told.connector_id == connector]

    async def command(self, command_id: str, name: CommandName, **fields: object) -> CommandAnswered:
        """Sends a command as the service does and waits for its answer."""
        assert self._bus is not None
        epoch = self.told(StationConnected)[-1].epoch
        command = CommandRequested(
            command_id=command_id,
            instance=INSTANCE,
            epoch=epoch,
            network=NETWORK,
            station_id=self.driver.station_id,
            name=name,
            deadline=datetime.now(UTC) + timedelta(seconds=20),
            **fields,  # type: ignore[arg-type]
        )
        await self._bus.publish(COMMANDS, [_envelope(command, subject=INSTANCE, id=command_id)])
        await until(lambda: self.answers(command_id), seconds=20)
        return self.answers(command_id)[0]

    def answers(self, command_id: str) -> list[CommandAnswered]:
        return [told for told in self.told(CommandAnswered) if told.command_id == command_id]

    @property
    def _subject(self) -> str:
        return f"{NETWORK}/{self.driver.station_id}"

    def _account(self) -> StationAccountChanged:
        station_id, password = self.driver.station_id, self.driver.password
        digest = None
        if password is not None:
            digest = digest_station_key(password, network=NETWORK, station_id=station_id, pepper=PEPPER)
        return StationAccountChanged(
            network=NETWORK, station_id=station_id, is_admitted=True, key_digest=digest, operator=OPERATOR
        )

    async def _read(self, envelopes: Sequence[Envelope]) -> None:
        assert all(envelope.subject == self._subject for envelope in envelopes)
        assert all(envelope.source == f"adapter:{INSTANCE}" for envelope in envelopes)
        self.envelopes.extend(envelopes)


def _envelope(message: Message, *, subject: str, id: str | None = None) -> Envelope:
    now = datetime.now(UTC)
    return wrap(
        message,
        id=id or f"{type(message).__name__}/{subject}/{now.isoformat()}",
        subject=subject,
        sequence=1,
        occurred_at=now,
        recorded_at=now,
        correlation_id="scenario",
        source="service",
    )


def _token() -> TokenChanged:
    return TokenChanged(
        uid=TOKEN,
        type="RFID",
        country_code="NL",
        party_id="EMP",
        contract_id="NL-EMP-C00000001-X",
        is_valid=True,
        whitelist=WhitelistPolicy.ALWAYS,
        last_updated=datetime.now(UTC),
    )


ADAPTERS = [name for name in adapter_names() if find_spec(f"adapters.{name}.adapter") is not None]
DRIVERS = [name for name in ADAPTERS if find_spec(f"tests.kit.{name}_driver") is not None]


@pytest.fixture(params=DRIVERS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    driver = importlib.import_module(f"tests.kit.{request.param}_driver").make_driver(tmp_path)
    world = World(driver, tmp_path / "adapter")
    await world.start()
    yield world
    await driver.close()
    await world.stop()


def test_every_adapter_has_a_driver() -> None:
    assert set(ADAPTERS) == set(DRIVERS), "write tests/kit/<adapter>_driver.py, see adapter_driver.py"


async def test_a_station_boots(world: World) -> None:
    await until(lambda: ConnectorStatus.AVAILABLE in world.statuses(2))
    connected = world.told(StationConnected)[-1]
    assert connected.is_admitted
    assert connected.instance == INSTANCE
    (booted,) = world.told(StationBooted)
    assert booted.vendor
    assert booted.model
    assert ConnectorStatus.AVAILABLE in world.statuses(1)
    kinds = [envelope.type for envelope in world.envelopes]
    last_connected = len(kinds) - 1 - kinds[::-1].index("StationConnected")
    assert last_connected < kinds.index("StationBooted"), "a station speaks after its connection was told"


async def test_an_epoch_rises_with_every_connection(world: World) -> None:
    await until(lambda: world.told(StationBooted))
    first = world.told(StationConnected)[-1]
    await world.driver.disconnect()
    await until(lambda: world.told(StationDisconnected))
    assert world.told(StationDisconnected)[-1].epoch == first.epoch
    await world.stop()
    await world.start()
    await until(lambda: world.told(StationConnected)[-1].epoch > first.epoch)


async def test_status_and_fault(world: World) -> None:
    await world.driver.plug(1)
    await until(lambda: world.statuses(1)[-1:] == [ConnectorStatus.PREPARING])
    await world.driver.fail(2)
    await until(lambda: world.statuses(2)[-1:] == [ConnectorStatus.FAULTED])
    (fault,) = world.told(StationFaultReported)
    assert fault.connector_id == 2
    assert fault.error_code


async def test_a_session(world: World) -> None:
    await world.driver.plug(1)
    await world.driver.start(1, TOKEN)
    await until(lambda: ConnectorStatus.CHARGING in world.statuses(1))
    await world.driver.meter(1)
    await world.driver.stop(1)
    await until(lambda: world.told(TransactionEnded))

    (started,) = world.told(TransactionStarted)
    (ended,) = world.told(TransactionEnded)
    assert started.connector_id == 1
    assert started.token_uid == TOKEN
    assert started.authorization is AuthorizationStatus.ACCEPTED
    assert started.authorization_basis is AuthorizationBasis.WHITELIST
    assert started.token_owner == _token().owner()
    assert ended.transaction_id == started.transaction_id
    assert ended.register_wh >= started.register_wh
    assert ended.ended_at >= started.started_at
    await until(lambda: len(world.told(MeterValuesTaken)) >= 2)
    meters = world.told(MeterValuesTaken)
    assert {meter.transaction_id for meter in meters} == {started.transaction_id}
    order = [envelope.type for envelope in world.envelopes if envelope.type.startswith("Transaction")]
    assert order[0] == "TransactionStarted"
    assert order[-1] == "TransactionEnded"


async def test_a_repeated_start_is_one_start(world: World) -> None:
    await world.driver.plug(1)
    await world.driver.start(1, TOKEN)
    await world.driver.repeat_start(1)
    await world.driver.stop(1)
    await until(lambda: world.told(TransactionEnded))
    (started,) = world.told(TransactionStarted)
    (ended,) = world.told(TransactionEnded)
    assert ended.transaction_id == started.transaction_id


async def test_a_remote_start_and_a_remote_stop(world: World) -> None:
    answer = await world.command(
        "start-1",
        CommandName.START_CHARGING,
        connector_id=1,
        token_uid="REMOTE-0001",
        authorization_reference="REF-1",
        token_owner=EMSP,
    )
    assert answer.outcome is CommandOutcome.ACCEPTED
    await until(lambda: world.told(TransactionStarted))
    (started,) = world.told(TransactionStarted)
    assert started.token_uid == "REMOTE-0001", "as the owner of the token spells it"
    assert started.authorization is AuthorizationStatus.ACCEPTED
    assert started.authorization_basis is AuthorizationBasis.COMMAND
    assert started.authorization_reference == "REF-1"
    assert started.command_id == "start-1"
    assert started.token_owner == EMSP

    answer = await world.command(
        "stop-1", CommandName.STOP_CHARGING, transaction_id=started.transaction_id, connector_id=1
    )
    assert answer.outcome is CommandOutcome.ACCEPTED
    await until(lambda: world.told(TransactionEnded))
    (ended,) = world.told(TransactionEnded)
    assert ended.transaction_id == started.transaction_id
    assert ended.reason is StopReason.REMOTE


@pytest.mark.parametrize("connector", [1, 2], ids=["after the stop", "at another connector"])
async def test_a_card_that_comes_again_after_its_remote_start_is_authorised_anew(world: World, connector: int) -> None:
    start: dict[str, Any] = {"connector_id": 1, "token_uid": TOKEN, "token_owner": EMSP}
    answer = await world.command("start-3", CommandName.START_CHARGING, **start)
    assert answer.outcome is CommandOutcome.ACCEPTED
    await until(lambda: world.told(TransactionStarted))
    if connector == 1:
        await world.driver.stop(1)
        await until(lambda: world.told(TransactionEnded))
    else:
        await world.driver.plug(connector)
    await world.driver.start(connector, TOKEN)
    await until(lambda: len(world.told(TransactionStarted)) == 2)
    first, second = world.told(TransactionStarted)
    assert (first.command_id, first.token_owner) == ("start-3", EMSP)
    assert (second.command_id, second.authorization_basis) == (None, AuthorizationBasis.WHITELIST)
    assert second.token_owner == _token().owner()


async def test_a_command_for_a_transaction_that_is_not_there(world: World) -> None:
    answer = await world.command("stop-2", CommandName.STOP_CHARGING, transaction_id="1234567", connector_id=1)
    assert answer.outcome in (CommandOutcome.UNKNOWN_TRANSACTION, CommandOutcome.REJECTED)


async def test_a_command_comes_twice_and_is_answered_once(world: World) -> None:
    await world.command("unlock-1", CommandName.UNLOCK_CONNECTOR, connector_id=1)
    await world.command("unlock-1", CommandName.UNLOCK_CONNECTOR, connector_id=1)
    await world.command("unlock-2", CommandName.UNLOCK_CONNECTOR, connector_id=1)
    assert len([envelope for envelope in world.envelopes if envelope.type == "CommandAnswered"]) == 2


async def test_a_command_while_the_station_is_offline(world: World) -> None:
    await until(lambda: world.told(StationBooted))
    await world.driver.disconnect()
    await until(lambda: world.told(StationDisconnected))
    answer = await world.command("start-2", CommandName.START_CHARGING, connector_id=1, token_uid="REMOTE-0002")
    assert answer.outcome is CommandOutcome.OFFLINE


async def test_a_restart_in_mid_session(world: World) -> None:
    await world.driver.plug(1)
    await world.driver.start(1, TOKEN)
    await until(lambda: world.told(TransactionStarted))
    await world.stop()
    await world.start()
    await world.driver.meter(1)
    await world.driver.stop(1)
    await until(lambda: world.told(TransactionEnded))
    (started,) = world.told(TransactionStarted)
    (ended,) = world.told(TransactionEnded)
    assert ended.transaction_id == started.transaction_id
    assert ended.register_wh >= started.register_wh
