"""Authorize, TransactionEvent, MeterValues: the messages that money hangs on.

A station gives the transaction its id and tells its course in events, which may come late, twice and in another order.
Whatever it says about a transaction is answered.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import structlog

from adapters.kit.manifest import Authorization, Fact
from adapters.ocpp import moments
from adapters.ocpp.authorizing import Authorizing, Decided, by_command
from adapters.ocpp.frames import CallResult
from adapters.ocpp.recording import Desk, Unusable, memory_of, moment_of
from adapters.ocpp.station import Request, Station
from adapters.ocpp.text import written
from adapters.ocpp.tokens import clean, fold, identifier
from adapters.ocpp.v201 import course as courses
from adapters.ocpp.v201 import meter_values, places, telling, translate
from adapters.ocpp.v201.course import Course
from adapters.ocpp.v201.courses import Courses
from adapters.ocpp.v201.edition import Edition
from adapters.ocpp.whole import whole
from contracts.messages import MeterSample
from contracts.vocabulary import AuthorizationStatus

_ACCEPTED: Final = AuthorizationStatus.ACCEPTED
LATE: Final = timedelta(seconds=60)
"""How long after its end events of a transaction may still come that say how it began."""
_STOPPING: Final = ("StopAuthorized", "Deauthorized", "RemoteStop")
"""With these a token is that of who stopped it."""
_NO_TOKEN: Final = "NoAuthorization"
_FIELDS_BESIDE: Final = ("costDetails", "preconditioningStatus", "evseSleep")
_INFO_BESIDE: Final = ("tariffId", "transactionLimit", "operationMode")
LONGEST_ID: Final = 255

logger = structlog.get_logger(__name__)


class Charging:
    """Handlers of the three messages, for one edition."""

    def __init__(self, desk: Desk, courses: Courses, edition: Edition) -> None:
        self._desk = desk
        self._network = desk.ports.network
        self._tokens = desk.tokens
        self._courses = courses
        self._form = identifier(edition.longest_token)
        self._authorizing = Authorizing(desk, has_led=courses.has_led)

    def minimal_answer(self, station: Station, request: Request) -> dict[str, Any] | None:
        """See ``answering.MinimalAnswer``."""
        return {} if request.call.action in ("TransactionEvent", "MeterValues") else None

    async def authorize(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        """Authorize. A certificate of a contract is not checked here: nobody says it is good."""
        tag = _tag(payload["idToken"])
        if station.is_proxied:
            return {}
        if not station.is_admitted or not tag:
            return {"idTokenInfo": translate.from_authorization(AuthorizationStatus.UNKNOWN_TOKEN)}
        decided = await self._authorizing.before_start(station, request, tag)
        return {"idTokenInfo": self._id_token_info(decided.status, decided.group_id)}

    async def event(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        """TransactionEvent."""
        transaction_id = str(payload["transactionInfo"]["transactionId"])
        if not 0 < len(transaction_id) <= LONGEST_ID:
            raise Unusable("PropertyConstraintViolation", "transactionInfo.transactionId: 1 to 36 characters")
        token = payload.get("idToken")
        tag = _tag(token) if token is not None else None
        if not station.is_admitted:
            refused = translate.from_authorization(AuthorizationStatus.UNKNOWN_TOKEN)
            return {} if tag is None else {"idTokenInfo": refused}
        if station.is_proxied and tag is not None and not isinstance(request.reply, CallResult):
            station.deviations["event without an answer"] += 1
            return {}  # whether the driver may charge is not said yet: the station tells it again
        at = moment_of(station, payload.get("timestamp"), received_at=request.received_at).at
        samples = self._samples(station, request, payload)
        known = self._known(station, payload, transaction_id, at)
        course = self._with(station, known, request, payload, transaction_id=transaction_id, at=at)
        course = courses.metered(course, samples)
        is_end = payload["eventType"] == "Ended"
        answer: dict[str, Any] = {}
        if tag is not None:
            course, info = await self._presented(station, request, payload, course, tag=tag, at=at)
            answer = {"idTokenInfo": info} if info is not None else {}
        state = None if is_end else translate.to_charging_state(payload["transactionInfo"].get("chargingState"))
        course = courses.in_state(course, state, at)
        if is_end and course.ended_at is None:
            course = msgspec.structs.replace(course, ended_at=at)
        facts = telling.Telling(
            station,
            network=self._network,
            course=course,
            digest=_digest(payload),
            is_last=self._is_last(station, course),
        )
        told = self._facts(station, facts, payload, known=known, at=at, samples=samples, tag=tag)
        await self._desk.record(station, told)
        self._settle(station, request, facts.course, known)
        return {} if station.is_proxied else answer

    async def decide(self, station: Station, request: Request, payload: dict[str, Any]) -> Decided:
        """Whether a driver of the hub may charge: in place of a central system that does not know the token."""
        tag = _tag(payload["idToken"])
        if request.call.action == "Authorize":
            decided = await self._authorizing.before_start(station, request, tag)
        else:
            place = self._place(station, payload.get("evse"))
            decided = await self._authorizing.instead(station, request, tag, connector_id=place)
        info = self._id_token_info(decided.status, decided.group_id)
        return Decided(decided.status is AuthorizationStatus.ACCEPTED, "idTokenInfo", info)

    async def meter_values(self, station: Station, request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        """MeterValues: those of no transaction; they are kept by connector and time."""
        if not station.is_admitted:
            return {}
        place = places.to_number(whole(payload["evseId"]))
        samples = self._samples(station, request, payload)
        if not samples:
            station.deviations["meter values without a value"] += 1
            return {}
        is_dated = all(moments.parse(entry.get("timestamp")) for entry in payload["meterValue"])
        key = _digest(payload) if is_dated else f"{station.epoch}/{request.number}"
        await self._desk.record(
            station, [telling.metered(station, self._network, place, samples, id_parts=("meter", place, key))]
        )
        return {}

    async def tell_untold(self, now: datetime) -> int:
        """Tells the service of starts that were held back for events which did not come. Returns how many.
        Raises what ``Facts.record`` does."""
        untold = self._courses.untold(before=now - LATE)
        for station_id, course in untold:
            fact = telling.started(self._network, station_id, course)
            await self._desk.ports.facts.record([fact])
            self._courses.save(station_id, msgspec.structs.replace(course, is_told=True), now=now)
        return len(untold)

    def _known(self, station: Station, payload: dict[str, Any], transaction_id: str, at: datetime) -> Course | None:
        """What is known of the transaction; of one that takes the id of another, that it is a new one."""
        known = self._courses.find(station.id, transaction_id)
        is_dated = moments.parse(payload.get("timestamp")) is not None
        is_start = payload["eventType"] == "Started" and is_dated
        if known is None or not is_start or not courses.is_another(known, begun_at=at):
            return known
        station.deviations["transaction id used again"] += 1
        return Course(
            transaction_id=transaction_id, generation=known.generation + 1, first_at=at, heard_at=known.heard_at
        )

    def _is_last(self, station: Station, course: Course) -> bool:
        """Whether no other transaction has begun on its connector since."""
        other = None if course.place is None else self._courses.running_at(station.id, course.place)
        return other is None or other.told_id == course.told_id or other.first_at <= course.first_at

    def _with(
        self,
        station: Station,
        known: Course | None,
        request: Request,
        payload: dict[str, Any],
        *,
        transaction_id: str,
        at: datetime,
    ) -> Course:
        said = whole(payload.get("seqNo"))
        number = said if said is not None else known.last_number + 1 if known else 0
        if known is not None and number <= known.last_number:
            station.deviations["repeated or late event"] += 1
        elif number > (known.last_number + 1 if known else 0):
            station.deviations["events missing"] += 1
        reservation = self._tokens.to_reservation_id(station.id, whole(payload.get("reservationId")))
        return courses.heard(
            known,
            transaction_id=transaction_id,
            number=number,
            at=at,
            received_at=request.received_at,
            is_start=payload["eventType"] == "Started",
            place=self._place(station, payload.get("evse")),
            remote_start_number=whole(payload["transactionInfo"].get("remoteStartId")),
            reservation_id=reservation,
        )

    def _place(self, station: Station, evse: dict[str, Any] | None) -> int | None:
        """Where: without a connector the one of the EVSE that is taken, else its first."""
        if evse is None:
            return None
        evse_id, connector_id = whole(evse["id"]), whole(evse.get("connectorId"))
        if evse_id is None:
            return None
        if connector_id is None:
            statuses = memory_of(station).connectors
            taken = [
                number
                for number, status in statuses.items()
                if places.from_number(number)[0] == evse_id and status is translate.to_connector_status("Occupied")
            ]
            if len(taken) == 1:
                return taken[0]
        return places.to_number(evse_id, connector_id) or None

    async def _presented(
        self,
        station: Station,
        request: Request,
        payload: dict[str, Any],
        course: Course,
        *,
        tag: str,
        at: datetime,
    ) -> tuple[Course, dict[str, Any] | None]:
        """A token in an event, and what is answered about it. One that ends a charge, or comes to one that has its
        driver, changes nothing."""
        is_same = bool(course.id_token) and fold(tag) == course.id_token
        if is_same and course.is_authorized:
            return course, self._id_token_info(course.status, course.group_id)
        is_stopping = payload.get("triggerReason") in _STOPPING or payload["eventType"] == "Ended"
        if is_stopping and (course.is_authorized or course.begun_at is not None):
            return course, None
        decision = await self._decide(station, request, course, tag)
        info = self._id_token_info(decision.status, decision.group_id)
        return courses.decided(course, decision, id_token=fold(tag), at=at, is_stopping=is_stopping), info

    async def _decide(self, station: Station, request: Request, course: Course, tag: str) -> Authorization:
        if station.is_proxied:
            status = translate.to_authorization_status(request.reply)
        if course.remote_start_number is not None and (not station.is_proxied or status is _ACCEPTED):
            expected = self._tokens.expected_by_number(station.id, course.remote_start_number, now=request.received_at)
            if expected is not None and not self._courses.has_led(station.id, expected.command_id):
                return by_command(expected)
        if station.is_proxied:
            return self._authorizing.elsewhere(station, request, tag, status, connector_id=course.place)
        return await self._authorizing.for_start(station, request, tag, connector_id=course.place)

    def _facts(
        self,
        station: Station,
        facts: "telling.Telling",
        payload: dict[str, Any],
        *,
        known: Course | None,
        at: datetime,
        samples: Sequence[MeterSample],
        tag: str | None,
    ) -> list[Fact]:
        """What the service hears of an event, the start before all that follows it."""
        info = payload["transactionInfo"]
        facts.start_if_due()
        facts.metered(samples)
        state = translate.to_charging_state(info.get("chargingState"))
        # Said again in the next event it is nothing new; with one missing between, it may have been another meanwhile
        is_next = known is not None and whole(payload.get("seqNo")) == known.last_number + 1
        if not (is_next and known is not None and known.state is state):
            facts.state(state, at)
        if payload["eventType"] == "Ended" and (known is None or known.ended_at is None):
            facts.ended(
                at,
                register_wh=courses.end_register(facts.course, samples),
                reason=info.get("stoppedReason"),
                token_uid=self._tokens.to_uid(tag) if tag else None,
            )
        facts.beside(_beside(payload))
        return facts.told

    def _settle(self, station: Station, request: Request, course: Course, known: Course | None) -> None:
        """What follows once all is on disk."""
        self._courses.save(station.id, course, now=request.received_at)
        if course.is_authorized and (known is None or not known.is_authorized):
            self._authorizing.use_up(station.id, course.id_token, course.command_id)

    def _samples(self, station: Station, request: Request, payload: dict[str, Any]) -> tuple[MeterSample, ...]:
        return meter_values.to_samples(
            payload.get("meterValue", ()), received_at=request.received_at, offset=memory_of(station).clock.offset
        )

    def _id_token_info(self, status: AuthorizationStatus, group_id: str | None) -> dict[str, Any]:
        return translate.from_authorization(status, group=self._tokens.to_parent_id_tag(group_id, self._form))


async def keep_telling(charging: Charging, desk: Desk, *, every: float = 15) -> None:
    """Tells what was held back, until cancelled."""
    while True:
        await asyncio.sleep(every)
        try:
            await charging.tell_untold(desk.ports.now())
        except Exception as error:
            logger.warning("starts held back could not be told", error=f"{type(error).__name__}: {error}")


def _tag(token: dict[str, Any]) -> str:
    """The text of an ``idToken``; none for what stands for nobody."""
    return "" if token.get("type") == _NO_TOKEN else clean(token["idToken"])


def _beside(payload: dict[str, Any]) -> dict[str, Any]:
    """What 2.1 tells of a charge that the house has no word for: evidence, never the bill (decision 0105)."""
    info = payload["transactionInfo"]
    said = {name: info[name] for name in _INFO_BESIDE if info.get(name) is not None}
    return said | {name: payload[name] for name in _FIELDS_BESIDE if payload.get(name) is not None}


def _digest(payload: dict[str, Any]) -> str:
    """What makes an event that event: a repeat is told from another one that a station counts alike."""
    said = [payload.get(name) for name in ("eventType", "seqNo", "timestamp", "triggerReason", "evseId", "meterValue")]
    return hashlib.blake2b(written([said, payload.get("transactionInfo")]), digest_size=16).hexdigest()
