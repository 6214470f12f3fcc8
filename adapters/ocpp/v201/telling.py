"""What the service is told of a transaction and its events: facts with ids that a repeat shares."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from adapters.kit.manifest import Fact
from adapters.ocpp import transactions
from adapters.ocpp.recording import memory_of
from adapters.ocpp.station import Station
from adapters.ocpp.text import written
from adapters.ocpp.v201 import translate
from adapters.ocpp.v201.course import Course
from contracts.envelope import message_id
from contracts.messages import (
    ConnectorStatusChanged,
    MeterSample,
    MeterValuesTaken,
    StationReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.vocabulary import ConnectorStatus

LONGEST_REPORT: Final = 65_536
"""Of what is kept as it came, in characters."""


class Telling:
    """Gathers the facts of one event in ``told``; ``course`` comes out as it is once they are on disk."""

    def __init__(self, station: Station, *, network: str, course: Course, digest: str, is_last: bool) -> None:
        """``digest``: of the event; ``is_last``: no other transaction has begun on its connector since."""
        self._station = station
        self._network = network
        self._digest = digest
        self._is_last = is_last
        self._correlation = correlation(network, station.id, course)
        self.course = course
        self.told: list[Fact] = []

    def start_if_due(self) -> None:
        """The start, once everything is known of it."""
        if self.course.is_startable and not self.course.is_told:
            self.course = msgspec.structs.replace(self.course, is_told=True)
            self.told.append(started(self._network, self._station.id, self.course))

    def metered(self, samples: Sequence[MeterSample]) -> None:
        """Its meter values."""
        if samples:
            self.told.append(
                metered(
                    self._station,
                    self._network,
                    self.course.place,
                    samples,
                    transaction_id=self.course.told_id,
                    correlation_id=self._correlation,
                    id_parts=("event-meter", self.course.told_id, self._digest),
                )
            )

    def state(self, state: ConnectorStatus | None, at: datetime) -> None:
        """Its charging state, and what that is for the connector if nothing newer is known of it."""
        place = self.course.place
        if state is None or place is None:
            return
        updated = TransactionUpdated(
            network=self._network,
            station_id=self._station.id,
            connector_id=place,
            transaction_id=self.course.told_id,
            state=state,
            at=at,
        )
        self._add("event-state", updated, at)
        if self.course.ended_at is None and self.course.state_at == at:
            self._connector(place, state, at)

    def beside(self, said: dict[str, Any]) -> None:
        """What else an event tells, as it came."""
        if not said:
            return
        body = written(said).decode()
        reported = StationReported(
            network=self._network,
            station_id=self._station.id,
            kind="TransactionEvent",
            body=body if len(body) <= LONGEST_REPORT else "",
            connector_id=self.course.place,
            transaction_id=self.course.told_id,
        )
        self._add("event-beside", reported, self.course.heard_at)

    def ended(self, at: datetime, *, register_wh: Decimal, reason: str | None, token_uid: str | None) -> None:
        """Its end; the car may still be there."""
        course = self.course
        kind, word = translate.to_stop_reason(reason)
        ended = TransactionEnded(
            network=self._network,
            station_id=self._station.id,
            transaction_id=course.told_id,
            ended_at=at,
            register_wh=register_wh,
            register_start_wh=course.start_register,
            reason=kind,
            reason_text=word,
            token_uid=token_uid,
        )
        self.told.append(
            Fact(
                id=message_id("ended", self._network, self._station.id, course.told_id),
                message=ended,
                station_id=self._station.id,
                occurred_at=at,
                correlation_id=self._correlation,
            )
        )
        if course.place is not None:
            own = memory_of(self._station).connectors.get(course.place)
            is_taken = own in (None, ConnectorStatus.PREPARING)
            # An end that comes late frees a connector that was taken for it until now
            known_at = memory_of(self._station).told_at.get(course.place, at)
            self._connector(course.place, ConnectorStatus.FINISHING if is_taken else own, max(at, known_at))

    def _connector(self, place: int, running: ConnectorStatus | None, at: datetime) -> None:
        memory = memory_of(self._station)
        if not self._is_last or at < memory.told_at.get(place, at):
            return
        status = translate.combined(memory.connectors.get(place), running)
        memory.told_at[place] = at
        if self._station.statuses.get(place) == status:
            return
        self._station.statuses[place] = status
        changed = ConnectorStatusChanged(
            network=self._network, station_id=self._station.id, connector_id=place, status=status
        )
        self._add("event-status", changed, at)

    def _add(
        self, kind: str, message: TransactionUpdated | ConnectorStatusChanged | StationReported, at: datetime
    ) -> None:
        self.told.append(
            Fact(
                id=message_id(kind, self._network, self._station.id, self.course.told_id, self._digest),
                message=message,
                station_id=self._station.id,
                occurred_at=at,
                correlation_id=self._correlation,
            )
        )


def correlation(network: str, station_id: str, course: Course) -> str:
    """Shared by all facts of one transaction."""
    return transactions.correlation(network=network, station_id=station_id, transaction_id=course.told_id)


def started(network: str, station_id: str, course: Course) -> Fact:
    """The start, as it is known."""
    message = TransactionStarted(
        network=network,
        station_id=station_id,
        connector_id=course.place or 0,
        transaction_id=course.told_id,
        token_uid=course.token_uid,
        started_at=course.started_at,
        register_wh=course.start_register or Decimal(0),
        authorization=course.status,
        authorization_basis=course.basis,
        authorization_reference=course.reference,
        command_id=course.command_id,
        reservation_id=course.reservation_id,
        token_owner=course.owner,
    )
    return Fact(
        id=message_id("started", network, station_id, course.told_id),
        message=message,
        station_id=station_id,
        occurred_at=course.started_at,
        correlation_id=correlation(network, station_id, course),
        cause=course.command_id,
    )


def metered(
    station: Station,
    network: str,
    place: int | None,
    samples: Sequence[MeterSample],
    *,
    id_parts: tuple[object, ...],
    transaction_id: str | None = None,
    correlation_id: str | None = None,
) -> Fact:
    """Meter values, of a transaction or of none. ``id_parts`` make them those."""
    taken = MeterValuesTaken(
        network=network,
        station_id=station.id,
        connector_id=place,
        transaction_id=transaction_id,
        samples=tuple(samples),
    )
    kind, *parts = id_parts
    return Fact(
        id=message_id(kind, network, station.id, *parts),
        message=taken,
        station_id=station.id,
        occurred_at=samples[-1].at,
        correlation_id=correlation_id,
    )
