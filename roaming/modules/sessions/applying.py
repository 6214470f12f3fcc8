"""A batch of facts applied to the transactions they belong to: every transaction is read once and changed in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import (
    ConnectorStatusChanged,
    MeterValuesTaken,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.vocabulary import ConnectorStatus
from roaming.modules.sessions import course as courses
from roaming.modules.sessions import repository
from roaming.modules.sessions.course import Course, MeterReading
from roaming.modules.sessions.lagging import ReadingLag
from roaming.modules.sessions.late import MAX_LATE, LateFact, late_fact
from roaming.modules.sessions.model import CLOSED_FOR_GOOD, UNFINISHED, TransactionState
from roaming.modules.sessions.repository import Transaction, TransactionKey
from roaming.store.consume import Received

logger = structlog.get_logger(__name__)

CHARGING_STATES = (ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE)


class Applied:
    """The transactions of one batch."""

    def __init__(
        self,
        connection: AsyncConnection,
        *,
        now: datetime,
        closing_at: datetime,
        settling_at: datetime,
        lag: ReadingLag,
    ) -> None:
        """``closing_at``: until when late values of one that ends now may come, longer by what ``lag`` says.
        ``settling_at``: until when a station may still say itself when one ended that is taken for over now."""
        self._connection = connection
        self._now = now
        self._lag = lag
        self._closing_at = closing_at
        self._settling_at = settling_at
        self._entries: dict[TransactionKey, Transaction] = {}
        self._originals: dict[TransactionKey, Transaction] = {}
        self._readings: dict[TransactionKey, list[MeterReading]] = {}
        self._late: list[LateFact] = []
        self._whole: set[tuple[str, str]] = set()
        """Stations whose open transactions are all here."""

    async def load(self, batch: Sequence[Received]) -> None:
        """Reads and holds the transactions that the batch names or may be about, all in one order: another worker may
        hold some of them for their meter values."""
        keys = [key for received in batch if (key := _key_of(received)) is not None]
        self._whole = {station for received in batch if (station := _station_of(received)) is not None}
        if self._whole:
            keys += await repository.open_transactions(self._connection, sorted(self._whole))
        if keys:
            self._adopt((await repository.load_transactions(self._connection, keys)).values())

    def touched(self) -> list[Transaction]:
        """Those that a fact made a difference to, be it a reading."""
        return [entry for entry in self._entries.values() if self.is_changed(entry) or entry.key in self._readings]

    def is_changed(self, entry: Transaction) -> bool:
        """Whether it is no longer as it was read."""
        return entry is not self._originals.get(entry.key)

    def readings(self) -> dict[TransactionKey, list[MeterReading]]:
        """What was metered, by transaction."""
        return self._readings

    def apply(self, received: Received) -> None:
        """Takes one fact. Never raises for what a station may say: what fits nowhere is an orphan."""
        message = received.message
        match message:
            case TransactionStarted():
                entry = self._get((message.network, message.station_id, message.transaction_id))
                told, recorded_at = received.envelope.correlation_id, received.envelope.recorded_at
                begun = courses.started(entry.course, message, told, recorded_at=recorded_at)
                self._put(entry, begun, wait=self._lag.wait(received, now=self._now))
                self._outlive(entry.key)
            case TransactionEnded():
                entry = self._ended(message)
                if entry.state in CLOSED_FOR_GOOD:
                    self._keep_late(entry, received)
                else:
                    wait = self._lag.wait(received, now=self._now)
                    self._put(entry, courses.ended(entry.course, message), wait=wait)
            case MeterValuesTaken():
                metered = self._metered(message)
                if metered is not None and metered.state in UNFINISHED:
                    if readings := courses.readings_of(message):
                        self._readings.setdefault(metered.key, []).extend(readings)
                    self._put(metered, courses.signed_by(courses.heard_again(metered.course), message))
                elif metered is not None:
                    self._keep_late(metered, received)
            case TransactionUpdated():
                entry = self._get((message.network, message.station_id, message.transaction_id))
                if entry.state in UNFINISHED:
                    self._put(entry, courses.in_state(entry.course, message.at, message.state))
            case ConnectorStatusChanged() if message.status in CHARGING_STATES:
                at = received.envelope.occurred_at
                running = self._begun(message, by=at)
                if running is not None:
                    self._put(running, courses.in_state(running.course, at, message.status))
            case _:
                pass

    def late(self) -> list[LateFact]:
        """What came of charges that were closed already."""
        return self._late

    def _keep_late(self, entry: Transaction, received: Received) -> None:
        fact = late_fact(entry, received)
        if fact is None:
            return
        if entry.course.late < MAX_LATE:
            self._late.append(fact)
        self._entries[entry.key] = replace(entry, course=courses.told_late(entry.course))

    def _adopt(self, entries: Iterable[Transaction]) -> None:
        for entry in entries:
            if entry.key not in self._entries:
                self._entries[entry.key] = self._originals[entry.key] = entry

    def _get(self, key: TransactionKey) -> Transaction:
        return self._entries.get(key) or Transaction(
            key=key, state=TransactionState.NEW, session_key="", close_at=None, pushed_at=None, course=Course()
        )

    def _put(self, entry: Transaction, course: Course, *, wait: timedelta = timedelta(0)) -> None:
        if course is entry.course:
            return
        if course.end is not None and course.end is entry.course.end:
            course = courses.heard_again(course)
        state, close_at = entry.state, entry.close_at
        if course.start is None:
            state = TransactionState.ORPHAN if course.end is not None else state
        elif course.end is None:
            state, close_at = TransactionState.OPEN, None
        elif state in UNFINISHED and (state != TransactionState.ENDING or course.end != entry.course.end):
            state = TransactionState.ENDING
            close_at = self._settling_at if course.end.is_assumed else self._closing_at + wait
        self._entries[entry.key] = replace(entry, course=course, state=state, close_at=close_at)

    def _outlive(self, key: TransactionKey) -> None:
        """On a connector is one charge at a time: of one that just became known and those that are open there, all but
        the last to begin are over, whether or not their station says so (OCPP 1.6 leaves that open)."""
        known = self._get(key)
        start = known.course.start
        if start is None or not start.connector_id:
            return
        for other in self._open(key[0], key[1]):
            begun = other.course.start
            if other.key == key or begun is None or begun.connector_id != start.connector_id:
                continue
            over, until = courses.over(begun, start)
            earlier, later = (other, start) if over is begun else (known, begun)
            course = courses.outlived(earlier.course, until, by=later)
            if course is not earlier.course:
                logger.warning("transaction_outlived", station=key[1], transaction=earlier.key[2], until=until)
                self._put(earlier, course)
                known = self._get(key)

    def _ended(self, message: TransactionEnded) -> Transaction:
        if not message.is_id_known:
            entries = self._open(message.network, message.station_id)
            if len(entries) == 1:
                return entries[0]
        return self._get((message.network, message.station_id, message.transaction_id))

    def _metered(self, message: MeterValuesTaken) -> Transaction | None:
        if message.transaction_id is not None:
            return self._get((message.network, message.station_id, message.transaction_id))
        on_connector = [
            entry
            for entry in self._open(message.network, message.station_id)
            if entry.course.start is not None and entry.course.start.connector_id == message.connector_id
        ]
        return on_connector[0] if len(on_connector) == 1 else None

    def _begun(self, message: ConnectorStatusChanged, *, by: datetime) -> Transaction | None:
        """The charge that a state of a connector is about: the last to have begun there. One before it may still be
        open, its end never having arrived."""
        found = [
            (start.at, entry.key, entry)
            for entry in self._open(message.network, message.station_id)
            if (start := entry.course.start) is not None
            and start.connector_id == message.connector_id
            and start.at <= by
        ]
        return max(found)[2] if found else None

    def _open(self, network: str, station_id: str) -> list[Transaction]:
        station = (network, station_id)
        assert station in self._whole, "its open transactions must have been read"
        return [
            entry for key, entry in self._entries.items() if key[:2] == station and entry.state == TransactionState.OPEN
        ]


def _key_of(received: Received) -> TransactionKey | None:
    message = received.message
    if isinstance(message, TransactionStarted | TransactionEnded | TransactionUpdated):
        return message.network, message.station_id, message.transaction_id
    if isinstance(message, MeterValuesTaken) and message.transaction_id is not None:
        return message.network, message.station_id, message.transaction_id
    return None


def _station_of(received: Received) -> tuple[str, str] | None:
    """The station whose open transactions a fact may be about without naming one."""
    message = received.message
    match message:
        case TransactionStarted() | TransactionEnded(is_id_known=False) | MeterValuesTaken(transaction_id=None):
            return message.network, message.station_id
        case ConnectorStatusChanged() if message.status in CHARGING_STATES:
            return message.network, message.station_id
        case _:
            return None
