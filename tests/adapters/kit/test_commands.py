"""Commands: carried out once at most, in turn, within the deadline, and answered once whatever dies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.kit.authorization import TokenAuthorizer
from adapters.kit.commands import CommandDesk
from adapters.kit.database import Database
from adapters.kit.manifest import CommandResult, OperationResult
from adapters.kit.tokens import TokenCache
from contracts.bus.memory import MemoryBus
from contracts.bus.port import BusUnavailable
from contracts.messages import CommandAnswered, CommandRequested, OperationAnswered, OperationRequested, TokenOwner
from contracts.messages.operation import AnyOperation, ClearCache, LocalListVersionTold, Reset
from contracts.topics import COMMANDS
from contracts.vocabulary import AuthorizationBasis, CommandName, CommandOutcome, OperationOutcome
from tests.kit.clock import HeldClock
from tests.kit.speaking import envelope_of
from tests.kit.stations import RecordingFacts
from tests.kit.wait import until

ACCEPTED = CommandResult(outcome=CommandOutcome.ACCEPTED)


class World:
    """A desk with a handler that records what it was asked, on a directory that outlives it."""

    def __init__(self, directory: Path, *, clock: HeldClock, facts: RecordingFacts) -> None:
        self.clock = clock
        self.facts = facts
        self.handled: list[str] = []
        self.operating = asyncio.Event()
        self.operating.set()
        self.handle: Callable[[CommandRequested], Awaitable[CommandResult]] = self._accept
        self.bus = MemoryBus()
        self.database = Database(directory / "kit.sqlite")
        cache = TokenCache(self.database, group="tokens")
        self.authorizer = TokenAuthorizer(
            cache, self.bus, network="demo", instance="one", now=clock, operator_of=lambda _: None
        )
        self.desk = CommandDesk(
            self.database,
            facts,
            self.authorizer,
            network="demo",
            instance="one",
            supported=tuple(name for name in CommandName if name is not CommandName.UNLOCK_CONNECTOR),
            operations=(Reset,),
            now=clock,
        )

    async def start(self) -> None:
        self.desk.serve(self._record)
        self.desk.serve_operations(self._record_operation)
        await self.desk.start()
        self.bus.subscribe(self.desk.subscription())
        await self.bus.start()

    async def stop(self) -> None:
        await self.desk.stop(0)
        await self.bus.close()
        await self.database.close()

    def command(
        self, command_id: str, name: CommandName = CommandName.STOP_CHARGING, **fields: object
    ) -> CommandRequested:
        return CommandRequested(
            **{
                "command_id": command_id,
                "instance": "one",
                "epoch": 1,
                "network": "demo",
                "station_id": "CS-1",
                "name": name,
                "deadline": self.clock.at + timedelta(seconds=5),
                **fields,
            }  # type: ignore[arg-type]
        )

    async def send(self, *commands: CommandRequested) -> None:
        await self.bus.publish(COMMANDS, [envelope_of(command, id=command.command_id) for command in commands])

    async def outcome(self, command_id: str) -> CommandOutcome:
        await until(lambda: self.answers(command_id))
        (answer,) = self.answers(command_id)
        return answer.outcome

    def answers(self, command_id: str) -> list[CommandAnswered]:
        return [answer for answer in self.facts.of(CommandAnswered) if answer.command_id == command_id]

    async def _record(self, command: CommandRequested) -> CommandResult:
        self.handled.append(command.command_id)
        return await self.handle(command)

    async def ask(self, operation_id: str, operation: AnyOperation) -> OperationRequested:
        request = OperationRequested(
            operation_id=operation_id,
            instance="one",
            epoch=1,
            network="demo",
            station_id="CS-1",
            deadline=self.clock.at + timedelta(seconds=5),
            operation=operation,
        )
        await self.bus.publish(COMMANDS, [envelope_of(request, id=operation_id)])
        return request

    def told(self, operation_id: str) -> list[OperationAnswered]:
        return [answer for answer in self.facts.of(OperationAnswered) if answer.operation_id == operation_id]

    async def _record_operation(self, request: OperationRequested) -> OperationResult:
        self.handled.append(request.operation_id)
        await self.operating.wait()
        return OperationResult(outcome=OperationOutcome.SCHEDULED, told=LocalListVersionTold(version=3))

    async def _accept(self, command: CommandRequested) -> CommandResult:
        return ACCEPTED


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path, clock=HeldClock(), facts=RecordingFacts())
    await world.start()
    yield world
    await world.stop()


async def restart(world: World, directory: Path) -> World:
    """As after kill -9: nothing that was running gets to its end."""
    await world.stop()
    again = World(directory, clock=world.clock, facts=world.facts)
    await again.start()
    return again


async def forever(command: CommandRequested) -> CommandResult:
    await asyncio.Event().wait()
    return ACCEPTED


async def test_a_command_is_carried_out_and_answered(world: World) -> None:
    await world.send(world.command("C-1"))
    assert await world.outcome("C-1") is CommandOutcome.ACCEPTED
    (fact,) = world.facts.facts
    assert fact.cause == "C-1"
    assert fact.correlation_id is not None
    assert fact.correlation_id.startswith("story-")
    assert fact.station_id == "CS-1"


async def test_repeats_in_a_batch_later_and_after_a_restart_do_nothing(world: World, tmp_path: Path) -> None:
    command = world.command("C-1")
    await world.send(command, command)
    await world.send(command)
    assert await world.outcome("C-1") is CommandOutcome.ACCEPTED
    again = await restart(world, tmp_path)
    await again.send(command)
    await again.send(again.command("C-2"))
    await again.outcome("C-2")
    assert world.handled == ["C-1"]
    assert again.handled == ["C-2"]
    assert len(world.facts.facts) == 2
    await again.stop()


async def test_other_instances_and_networks_are_not_ours(world: World) -> None:
    await world.send(world.command("C-1", instance="two"), world.command("C-2", network="other"))
    await world.send(world.command("C-3"))
    await world.outcome("C-3")
    assert world.handled == ["C-3"]


async def test_an_expired_command_is_neither_carried_out_nor_answered(world: World) -> None:
    await world.send(world.command("C-1", deadline=world.clock.at))
    await world.send(world.command("C-2"))
    await world.outcome("C-2")
    assert world.handled == ["C-2"]
    assert not world.answers("C-1")


async def test_what_the_adapter_cannot_do_is_not_supported(world: World) -> None:
    await world.send(world.command("C-1", CommandName.UNLOCK_CONNECTOR))
    assert await world.outcome("C-1") is CommandOutcome.NOT_SUPPORTED
    assert not world.handled


async def test_an_error_is_answered_failed_without_its_text(world: World) -> None:
    async def fail(command: CommandRequested) -> CommandResult:
        raise ValueError("token 04A2 is odd")

    world.handle = fail
    await world.send(world.command("C-1"))
    assert await world.outcome("C-1") is CommandOutcome.FAILED
    assert world.answers("C-1")[0].detail == "ValueError"


async def test_a_silent_station_is_a_timeout_at_the_deadline(world: World) -> None:
    world.handle = forever
    await world.send(world.command("C-1", deadline=world.clock.at + timedelta(seconds=0.05)))
    assert await world.outcome("C-1") is CommandOutcome.TIMEOUT


async def test_one_at_a_time_per_station_and_the_bus_does_not_wait(world: World) -> None:
    gates = {name: asyncio.Event() for name in ("C-1", "C-2", "D-1")}

    async def wait(command: CommandRequested) -> CommandResult:
        await gates[command.command_id].wait()
        return ACCEPTED

    world.handle = wait
    async with asyncio.timeout(2):
        await world.send(world.command("C-1"), world.command("C-2"), world.command("D-1", station_id="CS-2"))
    await until(lambda: len(world.handled) == 2)
    assert world.handled == ["C-1", "D-1"]
    gates["C-1"].set()
    assert await world.outcome("C-1") is CommandOutcome.ACCEPTED
    await until(lambda: "C-2" in world.handled)
    gates["C-2"].set()
    assert await world.outcome("C-2") is CommandOutcome.ACCEPTED


async def test_a_command_whose_turn_never_comes_is_not_carried_out_late(world: World) -> None:
    gate = asyncio.Event()

    async def wait(command: CommandRequested) -> CommandResult:
        await gate.wait()
        return ACCEPTED

    world.handle = wait
    soon = world.clock.at + timedelta(seconds=0.05)
    await world.send(world.command("C-1"), world.command("C-2", deadline=soon))
    assert await world.outcome("C-2") is CommandOutcome.TIMEOUT
    gate.set()
    assert await world.outcome("C-1") is CommandOutcome.ACCEPTED
    assert world.handled == ["C-1"]


async def test_a_killed_process_does_not_carry_out_twice_and_answers_failed(world: World, tmp_path: Path) -> None:
    world.handle = forever
    command = world.command("C-1")
    await world.send(command)
    await until(lambda: world.handled)
    again = await restart(world, tmp_path)
    await again.send(command)
    assert await again.outcome("C-1") is CommandOutcome.FAILED
    assert not again.handled
    third = await restart(again, tmp_path)
    await third.send(third.command("C-2"))
    await third.outcome("C-2")
    assert len(third.answers("C-1")) == 1
    await third.stop()


async def test_killed_between_the_answer_and_the_note_of_it(world: World, tmp_path: Path) -> None:
    """The note that it was answered is written later; without it the answer is told again under the same id."""
    world.database.write_later = lambda job: None  # type: ignore[method-assign]
    await world.send(world.command("C-1"))
    assert await world.outcome("C-1") is CommandOutcome.ACCEPTED
    again = await restart(world, tmp_path)
    await until(lambda: again.facts.repeats)
    assert [answer.outcome for answer in again.answers("C-1")] == [CommandOutcome.ACCEPTED]
    await again.stop()


async def test_an_answer_waits_for_room_in_the_spool(world: World) -> None:
    world.facts.is_full = True
    await world.send(world.command("C-1"))
    await until(lambda: world.handled)
    await asyncio.sleep(0)
    assert not world.facts.facts
    world.facts.is_full = False
    assert await world.outcome("C-1") is CommandOutcome.ACCEPTED


async def test_stopping_lets_commands_finish_and_takes_no_more(world: World) -> None:
    gate = asyncio.Event()

    async def wait(command: CommandRequested) -> CommandResult:
        await gate.wait()
        return ACCEPTED

    world.handle = wait
    await world.send(world.command("C-1"))
    await until(lambda: world.handled)
    stopping = asyncio.create_task(world.desk.stop(5))
    await asyncio.sleep(0)
    with pytest.raises(BusUnavailable):
        await world.send(world.command("C-2"))
    gate.set()
    await stopping
    assert world.answers("C-1")[0].outcome is CommandOutcome.ACCEPTED
    assert world.handled == ["C-1"]


async def basis(world: World) -> AuthorizationBasis:
    decided = await world.authorizer.authorize(station_id="CS-1", connector_id=1, token_uid="remote-1", timeout=0)
    assert (decided.command_id == "C-1") is (decided.basis is AuthorizationBasis.COMMAND)
    return decided.basis


def remote_start(world: World) -> CommandRequested:
    return world.command("C-1", CommandName.START_CHARGING, token_uid="REMOTE-1", authorization_reference="REF")


async def test_a_remote_start_authorises_its_token_for_a_while(world: World) -> None:
    during: list[AuthorizationBasis] = []

    async def look(command: CommandRequested) -> CommandResult:
        during.append(await basis(world))
        return ACCEPTED

    await world.authorizer._tokens.start()
    world.handle = look
    assert await basis(world) is AuthorizationBasis.OFFLINE_POLICY
    await world.send(remote_start(world))
    await world.outcome("C-1")
    assert during == [AuthorizationBasis.COMMAND], "the station may ask before it has answered"
    assert await basis(world) is AuthorizationBasis.COMMAND
    world.clock.advance(timedelta(minutes=16))
    assert await basis(world) is AuthorizationBasis.OFFLINE_POLICY


@pytest.mark.parametrize(
    ("outcome", "is_expected"),
    [(outcome, outcome.name in ("ACCEPTED", "TIMEOUT", "FAILED")) for outcome in CommandOutcome],
)
async def test_a_refused_remote_start_authorises_nobody(
    world: World, tmp_path: Path, outcome: CommandOutcome, is_expected: bool
) -> None:
    """After TIMEOUT and FAILED the station may still start: nobody knows."""

    async def answer(command: CommandRequested) -> CommandResult:
        return CommandResult(outcome=outcome)

    expected = AuthorizationBasis.COMMAND if is_expected else AuthorizationBasis.OFFLINE_POLICY
    await world.authorizer._tokens.start()
    world.handle = answer
    await world.send(remote_start(world))
    await world.outcome("C-1")
    assert await basis(world) is expected
    again = await restart(world, tmp_path)
    assert await basis(again) is expected, "also after a restart"
    await again.stop()


@pytest.mark.parametrize(("type", "minutes"), [("RFID", 15), ("APP_USER", 12 * 60)])
async def test_nobody_is_asked_about_a_card_that_came_in_a_command(world: World, type: str, minutes: int) -> None:
    """OCPI 2.2.1, tokens 11.2.1.2: for a quarter of an hour; about drivers of apps never."""
    await world.authorizer._tokens.start()
    owner = TokenOwner(country_code="DE", party_id="AAA", token_type=type, contract_id="C1")
    start = world.command("C-1", CommandName.START_CHARGING, token_uid="REMOTE-1", token_owner=owner)
    await world.send(start)
    await world.outcome("C-1")
    world.clock.advance(timedelta(minutes=minutes))
    assert await basis(world) is AuthorizationBasis.COMMAND
    world.clock.advance(start.deadline - world.clock.at + timedelta(minutes=minutes))
    assert await basis(world) is AuthorizationBasis.OFFLINE_POLICY


RESERVED = timedelta(hours=2)


def reservation(world: World) -> CommandRequested:
    return world.command(
        "C-1",
        CommandName.RESERVE,
        token_uid="REMOTE-1",
        reservation_id="R-1",
        reservation_expires_at=world.clock.at + RESERVED,
    )


@pytest.mark.parametrize("what", ["expired", "refused", "cancelled", "used up by a start"])
async def test_a_reservation_authorises_its_driver_until_it_is_over(world: World, what: str) -> None:
    async def answer(command: CommandRequested) -> CommandResult:
        is_refused = what == "refused" and command.name is CommandName.RESERVE
        return CommandResult(outcome=CommandOutcome.OCCUPIED) if is_refused else ACCEPTED

    await world.authorizer._tokens.start()
    world.handle = answer
    await world.send(reservation(world))
    await world.outcome("C-1")
    if what != "refused":
        world.clock.advance(RESERVED - timedelta(seconds=1))
        assert await basis(world) is AuthorizationBasis.COMMAND, "nobody is asked about a token that came in a command"
    match what:
        case "expired":
            world.clock.advance(timedelta(seconds=1))
        case "cancelled":
            await world.send(world.command("C-2", CommandName.CANCEL_RESERVATION, reservation_id="R-1"))
            await world.outcome("C-2")
        case "used up by a start":
            await world.send(world.command("C-2", CommandName.START_CHARGING, token_uid="REMOTE-1"))
            await world.outcome("C-2")
            started = await world.authorizer.authorize(
                station_id="CS-1", connector_id=1, token_uid="remote-1", timeout=0
            )
            assert started.command_id == "C-2", "the start is the newer word"
            world.authorizer.use_up("CS-1", "C-2")
    assert await basis(world) is AuthorizationBasis.OFFLINE_POLICY


async def test_an_interrupted_remote_start_may_still_come(world: World, tmp_path: Path) -> None:
    await world.authorizer._tokens.start()
    world.handle = forever
    await world.send(remote_start(world))
    await until(lambda: world.handled)
    again = await restart(world, tmp_path)
    assert await again.outcome("C-1") is CommandOutcome.FAILED
    assert await basis(again) is AuthorizationBasis.COMMAND
    await again.stop()


async def test_an_operation_is_carried_out_and_answered_once(world: World, tmp_path: Path) -> None:
    request = await world.ask("O-1", Reset(is_immediate=True))
    await world.bus.publish(COMMANDS, [envelope_of(request, id="O-1")])
    await until(lambda: world.told("O-1"))
    again = await restart(world, tmp_path)
    await again.bus.publish(COMMANDS, [envelope_of(request, id="O-1")])
    await again.ask("O-2", Reset())
    await until(lambda: again.told("O-2"))
    assert (world.handled, again.handled) == (["O-1"], ["O-2"])
    (answer,) = again.told("O-1")
    assert answer.outcome is OperationOutcome.SCHEDULED
    assert answer.told == LocalListVersionTold(version=3)
    await again.stop()


async def test_an_operation_that_the_adapter_does_not_declare_is_not_supported(world: World) -> None:
    await world.ask("O-1", ClearCache())
    await until(lambda: world.told("O-1"))
    assert world.told("O-1")[0].outcome is OperationOutcome.NOT_SUPPORTED
    assert not world.handled


async def test_commands_and_operations_take_turns_at_a_station(world: World) -> None:
    world.operating.clear()
    await world.ask("O-1", Reset())
    await until(lambda: world.handled)
    await world.send(world.command("C-1"), world.command("D-1", station_id="CS-2"))
    await world.outcome("D-1")
    assert world.handled == ["O-1", "D-1"]
    world.operating.set()
    await world.outcome("C-1")


async def test_an_operation_of_a_killed_process_is_answered_failed(world: World, tmp_path: Path) -> None:
    world.operating.clear()
    await world.ask("O-1", Reset())
    await until(lambda: world.handled)
    again = await restart(world, tmp_path)
    await until(lambda: again.told("O-1"))
    assert again.told("O-1")[0].outcome is OperationOutcome.FAILED
    assert not again.handled
    await again.stop()
