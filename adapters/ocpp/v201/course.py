"""The course of one transaction of a 2.x station, put together from its events. Pure, and order-proof: what is known
in the end does not hang on the order in which events arrive (decision 0105)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from adapters.kit.manifest import Authorization
from adapters.ocpp.measuring import register_of
from contracts.messages import MeterSample, TokenOwner
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus, ConnectorStatus, ReadingContext

MARK = "~"
Register = tuple[datetime, Decimal]
"""When, and the import register in Wh."""


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a transaction by now."""

    transaction_id: str
    """The station's."""
    generation: int = 0
    """How many other transactions the station has given that id before."""
    place: int | None = None
    """The contract's number of its connector (``places``)."""
    begun_at: datetime | None = None
    """By its Started; absent until that has come."""
    first_at: datetime
    """Of the earliest event."""
    heard_at: datetime
    """By our clock."""
    last_number: int = -1
    """The highest sequence number."""
    first: Register | None = None
    """The earliest register, or that of the context Transaction.Begin."""
    is_first_begin: bool = False
    last: Register | None = None
    at_authorization: Register | None = None
    """The last one before the token was accepted: what flowed until then is nobody's."""
    authorized_at: datetime | None = None
    id_token: str = ""
    """Cleaned and folded: the one that was accepted, else the last one refused."""
    token_uid: str = ""
    status: AuthorizationStatus = AuthorizationStatus.UNKNOWN_TOKEN
    basis: AuthorizationBasis | None = None
    reference: str | None = None
    group_id: str | None = None
    command_id: str | None = None
    owner: TokenOwner | None = None
    is_by_stopper: bool = False
    """No other token is known than that of who ended it."""
    remote_start_number: int | None = None
    reservation_id: str | None = None
    state: ConnectorStatus | None = None
    """Of its connector, by the last charging state."""
    state_at: datetime | None = None
    ended_at: datetime | None = None
    is_told: bool = False
    """Its start has gone to the service."""

    @property
    def told_id(self) -> str:
        """By which the service knows it: another one for another transaction."""
        return f"{self.transaction_id}{MARK}{self.generation}" if self.generation else self.transaction_id

    @property
    def is_authorized(self) -> bool:
        """A token was accepted: it stays the driver's."""
        return self.status is AuthorizationStatus.ACCEPTED

    @property
    def is_startable(self) -> bool:
        """Everything is known that the service must know of a start."""
        is_known = self.begun_at is not None and self.place is not None and self.first is not None
        return is_known and self.is_authorized and not self.is_by_stopper

    @property
    def started_at(self) -> datetime:
        """Since when it is the driver's."""
        begun = self.begun_at or self.first_at
        return max(begun, self.authorized_at) if self.authorized_at is not None else begun

    @property
    def start_register(self) -> Decimal | None:
        """What the meter showed then, in Wh."""
        found = self.at_authorization or self.first
        return found[1] if found is not None else None


def is_another(known: Course, *, begun_at: datetime) -> bool:
    """Whether a Started of that time begins a new transaction under the id of one that has ended: stations that were
    reset count from the beginning."""
    return known.ended_at is not None and begun_at > known.ended_at


def heard(
    course: Course | None,
    *,
    transaction_id: str,
    number: int,
    at: datetime,
    received_at: datetime,
    is_start: bool,
    place: int | None,
    remote_start_number: int | None,
    reservation_id: str | None,
) -> Course:
    """With one more event. Fields that are in some events only stay as they were said once."""
    known = course or Course(transaction_id=transaction_id, first_at=at, heard_at=received_at)
    return msgspec.structs.replace(
        known,
        first_at=min(known.first_at, at),
        heard_at=max(known.heard_at, received_at),
        begun_at=at if is_start and known.begun_at is None else known.begun_at,
        last_number=max(known.last_number, number),
        place=known.place if known.place is not None else place,
        remote_start_number=known.remote_start_number if known.remote_start_number is not None else remote_start_number,
        reservation_id=known.reservation_id or reservation_id,
    )


def metered(course: Course, samples: Sequence[MeterSample]) -> Course:
    """With what was read. ``samples`` are in the order of time."""
    first, is_begin, last, before = course.first, course.is_first_begin, course.last, course.at_authorization
    for sample in samples:
        register = register_of(sample)
        if register is None:
            continue
        read = (sample.at, register)
        is_of_begin = sample.context is ReadingContext.BEGIN
        if first is None or (is_of_begin, -read[0].timestamp()) > (is_begin, -first[0].timestamp()):
            first, is_begin = read, is_of_begin
        if last is None or read[0] >= last[0]:
            last = read
        if course.authorized_at is not None and read[0] <= course.authorized_at and (before is None or before < read):
            before = read
    return msgspec.structs.replace(course, first=first, is_first_begin=is_begin, last=last, at_authorization=before)


def decided(
    course: Course, decision: Authorization, *, id_token: str, at: datetime, is_stopping: bool = False
) -> Course:
    """With a token that was presented. The first that is accepted stays, but who ended it is the driver only where
    nobody else is known."""
    if course.is_authorized and (is_stopping or not course.is_by_stopper):
        return course
    is_accepted = decision.status is AuthorizationStatus.ACCEPTED
    is_beginning = is_accepted and not is_stopping
    before = course.last if is_beginning and course.last is not None and course.last[0] <= at else None
    return msgspec.structs.replace(
        course,
        id_token=id_token,
        token_uid=decision.token_uid,
        status=decision.status,
        basis=decision.basis,
        reference=decision.authorization_reference,
        group_id=decision.group_id,
        command_id=decision.command_id,
        owner=decision.owner if is_accepted else None,
        authorized_at=at if is_beginning else None,
        is_by_stopper=is_stopping,
        at_authorization=before,
    )


def in_state(course: Course, state: ConnectorStatus | None, at: datetime) -> Course:
    """With a charging state; an older one than is known changes nothing."""
    if state is None or (course.state_at is not None and at < course.state_at):
        return course
    return msgspec.structs.replace(course, state=state, state_at=at)


def end_register(course: Course, samples: Sequence[MeterSample]) -> Decimal:
    """The register at the end, from the samples of the last event: that of the context Transaction.End, else the
    latest of all that was read. Where nothing was, no energy is claimed."""
    ends = [found for s in samples if s.context is ReadingContext.END and (found := register_of(s)) is not None]
    if ends:
        return ends[-1]
    if course.last is not None:
        return course.last[1]
    return course.start_register or Decimal(0)
