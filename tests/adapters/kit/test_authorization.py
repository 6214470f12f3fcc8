"""May this token charge here? The whitelist table in full, questions over the bus, pending commands, guessing."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.kit.authorization import Expectation, GuessLimit, TokenAuthorizer
from adapters.kit.database import Database
from adapters.kit.manifest import Authorization
from adapters.kit.tokens import TokenCache
from contracts.bus.memory import MemoryBus
from contracts.bus.port import Subscription
from contracts.envelope import Envelope
from contracts.messages import (
    AuthorizationDecided,
    AuthorizationRequested,
    OperatorAgreementsChanged,
    TokenChanged,
    TokenOwner,
)
from contracts.topics import AUTHORIZATIONS, TOKENS
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, WhitelistPolicy
from tests.kit.bus import ScriptedBus
from tests.kit.clock import HeldClock
from tests.kit.speaking import envelope_of, token
from tests.kit.wait import until

OPERATOR = "NL-HUB"
THE_OTHER = TokenOwner(country_code="NL", party_id="TWO", token_type="RFID", contract_id="NL-TWO-C1")
ACCEPTED = AuthorizationStatus.ACCEPTED
BLOCKED = AuthorizationStatus.BLOCKED
EXPIRED = AuthorizationStatus.EXPIRED
NOT_ALLOWED = AuthorizationStatus.NOT_ALLOWED
UNKNOWN_TOKEN = AuthorizationStatus.UNKNOWN_TOKEN
WHITELIST = AuthorizationBasis.WHITELIST
REAL_TIME = AuthorizationBasis.REAL_TIME
OFFLINE = AuthorizationBasis.OFFLINE_POLICY


class World:
    """An authorizer on a bus, with a service at its other end that answers, or not."""

    def __init__(self, directory: Path, *, limit: GuessLimit | None = None) -> None:
        self.clock = HeldClock()
        self.bus = MemoryBus()
        self.questions: list[AuthorizationRequested] = []
        self.answer: AuthorizationStatus | None = None
        self.delay = 0.0
        self._database = Database(directory / "kit.sqlite")
        self._cache = TokenCache(self._database, group="tokens")
        self.authorizer = TokenAuthorizer(
            self._cache,
            self.bus,
            network="demo",
            instance="one",
            now=self.clock,
            operator_of=lambda station_id: OPERATOR if station_id.startswith("CS-") else None,
            limit=limit,
        )

    async def start(self) -> None:
        await self._cache.start()
        self.bus.subscribe(self._cache.subscription())
        self.bus.subscribe(self.authorizer.subscription())
        self.bus.subscribe(Subscription(group="service", topics=(AUTHORIZATIONS,), handler=self._decide))
        await self.bus.start()
        await self.know(OperatorAgreementsChanged(operator=OPERATOR, emsps=("NL-EMP", "NL-TWO")))

    async def know(self, *told: TokenChanged | OperatorAgreementsChanged) -> None:
        await self.bus.publish(TOKENS, [envelope_of(one) for one in told])

    async def ask(
        self, uid: str, *, connector_id: int | None = 1, timeout: float = 0.05, station_id: str = "CS-1"
    ) -> Authorization:
        return await self.authorizer.authorize(
            station_id=station_id, connector_id=connector_id, token_uid=uid, timeout=timeout
        )

    async def stop(self) -> None:
        await self.bus.close()
        await self._database.close()

    async def _decide(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            asked = envelope.message()
            if not isinstance(asked, AuthorizationRequested):
                continue
            self.questions.append(asked)
            if self.answer is None:
                continue
            await asyncio.sleep(self.delay)
            decided = AuthorizationDecided(
                request_id=asked.request_id,
                network=asked.network,
                station_id=asked.station_id,
                token_uid=asked.token_uid,
                status=self.answer,
                basis=REAL_TIME,
                authorization_reference="REF",
                group_id="GROUP",
                owner=THE_OTHER,
            )
            other = AuthorizationDecided(
                request_id="another instance's",
                network=asked.network,
                station_id=asked.station_id,
                token_uid=asked.token_uid,
                status=BLOCKED,
                basis=REAL_TIME,
            )
            await self.bus.publish(AUTHORIZATIONS, [envelope_of(other), envelope_of(decided)])


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.start()
    yield world
    await world.stop()


# (policy, valid) -> outcome when the service answers EXPIRED, outcome when nobody answers
TABLE = {
    (WhitelistPolicy.ALWAYS, True): ((ACCEPTED, WHITELIST), (ACCEPTED, WHITELIST)),
    (WhitelistPolicy.ALWAYS, False): ((BLOCKED, WHITELIST), (BLOCKED, WHITELIST)),
    (WhitelistPolicy.ALLOWED, True): ((ACCEPTED, WHITELIST), (ACCEPTED, WHITELIST)),
    (WhitelistPolicy.ALLOWED, False): ((EXPIRED, REAL_TIME), (BLOCKED, OFFLINE)),
    (WhitelistPolicy.ALLOWED_OFFLINE, True): ((EXPIRED, REAL_TIME), (ACCEPTED, OFFLINE)),
    (WhitelistPolicy.ALLOWED_OFFLINE, False): ((EXPIRED, REAL_TIME), (BLOCKED, OFFLINE)),
    (WhitelistPolicy.NEVER, True): ((EXPIRED, REAL_TIME), (NOT_ALLOWED, OFFLINE)),
    (WhitelistPolicy.NEVER, False): ((EXPIRED, REAL_TIME), (BLOCKED, OFFLINE)),
    (None, True): ((EXPIRED, REAL_TIME), (UNKNOWN_TOKEN, OFFLINE)),
}


def test_the_table_is_complete() -> None:
    assert set(TABLE) == {*itertools.product(WhitelistPolicy, (True, False)), (None, True)}


@pytest.mark.parametrize("is_answered", [True, False])
@pytest.mark.parametrize(("policy", "is_valid"), TABLE)
async def test_whitelist(world: World, policy: WhitelistPolicy | None, is_valid: bool, is_answered: bool) -> None:
    if policy is not None:
        await world.know(token("04A2", is_valid=is_valid, whitelist=policy, group_id="GROUP"))
    world.answer = EXPIRED if is_answered else None
    expected = TABLE[policy, is_valid][0 if is_answered else 1]
    decided = await world.ask("04a2", timeout=2.0 if is_answered else 0.05)
    assert (decided.status, decided.basis) == expected
    assert decided.group_id == (None if policy is None and not is_answered else "GROUP")
    assert len(world.questions) == (0 if expected[1] is WHITELIST else 1)
    if policy is not None:
        assert decided.token_uid == "04A2", "as its owner spells it"


async def test_of_two_owners_with_one_uid_only_the_service_can_tell(world: World) -> None:
    always = WhitelistPolicy.ALWAYS
    await world.know(token("04A2", whitelist=always), token("04a2", whitelist=always, party_id="TWO"))
    world.answer = ACCEPTED
    decided = await world.ask("04A2", timeout=2)
    assert (decided.status, decided.basis, decided.owner) == (ACCEPTED, REAL_TIME, THE_OTHER)
    world.answer = None
    decided = await world.ask("04A2")
    assert (decided.status, decided.basis, decided.owner) == (NOT_ALLOWED, OFFLINE, None), "nobody would pay for it"
    assert len(world.questions) == 2

    await world.know(token("04A2", whitelist=always, is_valid=False))
    decided = await world.ask("04A2")
    assert (decided.status, decided.basis) == (ACCEPTED, WHITELIST), "the only one that is valid"
    assert decided.owner == token("04a2", party_id="TWO").owner()


@pytest.mark.parametrize("where", ["no agreement", "ended", "no operator"])
async def test_nobody_charges_on_a_whitelist_without_agreement(world: World, where: str) -> None:
    """The service knows of agreements that this adapter has not heard of yet: it is asked."""
    await world.know(
        token("04A2", whitelist=WhitelistPolicy.ALWAYS, party_id="ODD" if where == "no agreement" else "TWO")
    )
    if where == "ended":
        await world.know(OperatorAgreementsChanged(operator=OPERATOR, emsps=("NL-EMP",)))
    station_id = "UNBOUND" if where == "no operator" else "CS-1"
    decided = await world.ask("04A2", station_id=station_id)
    assert (decided.status, decided.basis) == (NOT_ALLOWED, OFFLINE)
    world.answer = BLOCKED
    decided = await world.ask("04A2", station_id=station_id, timeout=2)
    assert (decided.status, decided.basis) == (BLOCKED, REAL_TIME)


async def test_two_owners_where_one_has_no_agreement(world: World) -> None:
    always = WhitelistPolicy.ALWAYS
    await world.know(token("04A2", whitelist=always), token("04A2", whitelist=always, party_id="ODD"))
    decided = await world.ask("04A2")
    assert (decided.status, decided.basis) == (ACCEPTED, WHITELIST)
    assert decided.owner == token("04A2").owner()
    assert not world.questions


@pytest.mark.parametrize("is_answered", [True, False])
async def test_a_bus_that_is_away_is_an_answer_at_once(tmp_path: Path, is_answered: bool) -> None:
    world = World(tmp_path)
    await world.start()
    await world.know(token("04A2", whitelist=WhitelistPolicy.ALLOWED_OFFLINE))
    await world.bus.close()
    async with asyncio.timeout(2):
        decided = await world.ask("04A2", timeout=60)
    assert (decided.status, decided.basis) == (ACCEPTED, OFFLINE)
    await world.stop()


async def test_the_question_carries_what_the_service_needs(world: World) -> None:
    world.answer = ACCEPTED
    await world.know(token("04A2b3", whitelist=WhitelistPolicy.NEVER))
    decided = await world.ask("04:A2:B3", connector_id=2, timeout=3.0)
    (asked,) = world.questions
    assert (asked.network, asked.station_id, asked.connector_id, asked.token_uid) == ("demo", "CS-1", 2, "04A2b3")
    assert asked.deadline == world.clock.at + timedelta(seconds=3)
    assert decided.authorization_reference == "REF"


async def test_an_answer_that_comes_too_late_changes_nothing(world: World) -> None:
    world.answer, world.delay = ACCEPTED, 0.2
    decided = await world.ask("04A2", timeout=0.05)
    assert (decided.status, decided.basis) == (UNKNOWN_TOKEN, OFFLINE)
    await until(lambda: not world.authorizer._publishing)
    assert not world.authorizer._asked


async def test_the_answer_may_come_before_publish_returns(tmp_path: Path) -> None:
    """In one process ``publish`` waits for all handlers, also for slow ones."""
    world = World(tmp_path)
    world.answer = ACCEPTED

    dawdled: list[int] = []

    async def dawdle(envelopes: Sequence[Envelope]) -> None:
        await gate.wait()
        dawdled.append(len(envelopes))

    gate = asyncio.Event()
    world.bus.subscribe(Subscription(group="slow", topics=(AUTHORIZATIONS,), handler=dawdle))
    await world.start()
    assert (await world.ask("04A2", timeout=10)).status is ACCEPTED
    assert not dawdled
    gate.set()
    await until(lambda: sum(dawdled) == 3)
    await world.stop()


async def test_an_error_inside_refuses_and_does_not_raise(world: World) -> None:
    class Broken:
        def find(self, uid: str) -> tuple[TokenChanged, ...]:
            raise OSError("disk")

    world.authorizer._tokens = Broken()  # type: ignore[assignment]
    assert (await world.ask("04A2")).status is UNKNOWN_TOKEN


def expectation(world: World, command_id: str = "C-1", **fields: object) -> Expectation:
    return Expectation(
        **{
            "command_id": command_id,
            "station_id": "CS-1",
            "token_uid": "Remote-1",
            "until": world.clock.at + timedelta(seconds=60),
            "reference": "REF-7",
            "group_id": "G",
            "owner": THE_OTHER,
            **fields,
        }  # type: ignore[arg-type]
    )


async def test_a_pending_command_answers_without_asking(world: World) -> None:
    world.authorizer.expect(expectation(world, connector_id=2))
    for connector_id in (None, 2):
        assert await world.ask("REMOTE-1", connector_id=connector_id) == Authorization(
            status=ACCEPTED,
            basis=AuthorizationBasis.COMMAND,
            token_uid="Remote-1",
            authorization_reference="REF-7",
            group_id="G",
            command_id="C-1",
            owner=THE_OTHER,
        )
    assert not world.questions


@pytest.mark.parametrize("what", ["token", "station", "connector", "time", "withdrawn", "used up"])
async def test_a_pending_command_is_for_its_own_driver_place_and_time(world: World, what: str) -> None:
    world.authorizer.expect(expectation(world, connector_id=2))
    uid, station_id, connector_id = "REMOTE-1", "CS-1", 2
    match what:
        case "token":
            uid = "REMOTE-2"
        case "station":
            station_id = "CS-2"
        case "connector":
            connector_id = 1
        case "time":
            world.clock.advance(timedelta(seconds=60))
        case "withdrawn":
            world.authorizer.withdraw("CS-1", "C-1")
        case "used up":
            assert (await world.ask(uid, connector_id=2)).command_id == "C-1", (
                "as often as the station asks before it starts"
            )
            world.authorizer.use_up("CS-1", "C-1")
    decided = await world.ask(uid, station_id=station_id, connector_id=connector_id)
    assert decided.status is UNKNOWN_TOKEN
    assert decided.command_id is None


async def test_several_pending_commands(world: World) -> None:
    world.authorizer.expect(expectation(world, "C-1", connector_id=1))
    world.authorizer.expect(expectation(world, "C-2", connector_id=2))
    world.authorizer.expect(expectation(world, "C-2", connector_id=2))
    assert (await world.ask("remote-1", connector_id=2)).command_id == "C-2"
    assert (await world.ask("remote-1", connector_id=None)).command_id == "C-1"
    world.authorizer.withdraw("CS-1", "C-1")
    assert (await world.ask("remote-1", connector_id=None)).command_id == "C-2"


async def test_a_station_may_guess_only_so_often(tmp_path: Path) -> None:
    world = World(tmp_path, limit=GuessLimit(guesses=3, window=timedelta(minutes=1)))
    await world.start()
    world.answer = UNKNOWN_TOKEN
    answers = [await world.ask(f"GUESS-{number}", timeout=2) for number in range(10)]
    assert {answer.status for answer in answers} == {UNKNOWN_TOKEN}
    assert [answer.is_unasked for answer in answers] == [False] * 3 + [True] * 7
    assert len(world.questions) == 3
    await world.ask("GUESS", station_id="CS-2", timeout=2)
    assert len(world.questions) == 4, "another station is not to blame"

    await world.know(token("KNOWN", whitelist=WhitelistPolicy.NEVER))
    world.answer = ACCEPTED
    assert (await world.ask("KNOWN", timeout=2)).status is ACCEPTED, "a token we know is no guess"
    world.clock.advance(timedelta(seconds=20))
    assert (await world.ask("ONE-MORE", timeout=2)).status is ACCEPTED
    assert (await world.ask("RIGHT-AGAIN", timeout=2)).status is ACCEPTED, "a right guess costs nothing"
    world.answer = UNKNOWN_TOKEN
    await world.ask("WRONG", timeout=2)
    before = len(world.questions)
    await world.ask("WRONG", timeout=2)
    assert len(world.questions) == before
    await world.stop()


async def test_tokens_are_not_logged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        await world.ask(f"SECRET-{number}", timeout=0.01)
    captured = capsys.readouterr()
    assert "CS-1" in captured.out + captured.err
    assert "SECRET" not in captured.out + captured.err


async def test_a_question_that_fails_to_publish_is_not_waited_for(tmp_path: Path) -> None:
    bus = ScriptedBus()
    bus.is_away = True
    database = Database(tmp_path / "kit.sqlite")
    cache = TokenCache(database, group="tokens")
    await cache.start()
    authorizer = TokenAuthorizer(
        cache, bus, network="demo", instance="one", now=HeldClock(), operator_of=lambda _: None
    )
    async with asyncio.timeout(2):
        decided = await authorizer.authorize(station_id="CS-1", connector_id=None, token_uid="X", timeout=60)
    assert decided.status is UNKNOWN_TOKEN
    await database.close()
