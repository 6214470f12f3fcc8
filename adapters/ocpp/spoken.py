"""The versions of OCPP that are spoken here, each put together from its parts."""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.ocpp.greeting import Greeting
from adapters.ocpp.recording import Desk
from adapters.ocpp.v16.calls import Calls as Calls16
from adapters.ocpp.v16.handlers import Handlers as Handlers16
from adapters.ocpp.v16.operations import OPERATIONS as OPERATIONS_16
from adapters.ocpp.v16.operations import Operations as Operations16
from adapters.ocpp.v16.schemas import SCHEMAS as SCHEMAS_16
from adapters.ocpp.v21.edition import EDITION as EDITION_21
from adapters.ocpp.v201.calls import Calls
from adapters.ocpp.v201.charging import keep_telling
from adapters.ocpp.v201.courses import Courses
from adapters.ocpp.v201.dynamic import DynamicLimits
from adapters.ocpp.v201.edition import EDITION as EDITION_201
from adapters.ocpp.v201.edition import Edition
from adapters.ocpp.v201.handlers import Handlers
from adapters.ocpp.v201.operations import OPERATIONS as OPERATIONS_2
from adapters.ocpp.v201.operations import Operations
from adapters.ocpp.v201.reports import Reports
from adapters.ocpp.v201.triggering import Greeting2
from adapters.ocpp.version import OLDEST, Version

EDITIONS: Final = (EDITION_201, EDITION_21)
SUBPROTOCOLS: Final = (OLDEST, *(edition.subprotocol for edition in EDITIONS))
OPERATIONS: Final = tuple(dict.fromkeys((*OPERATIONS_16, *OPERATIONS_2)))
"""What some version can carry out; another says NOT_SUPPORTED by itself."""


def versions_of(desk: Desk, state: sqlite3.Connection) -> dict[str, Version]:
    """All of them, by subprotocol."""
    courses, dynamic = Courses(state), DynamicLimits(state, now=desk.ports.now)
    return {OLDEST: _oldest(desk)} | {
        edition.subprotocol: _version(desk, courses, dynamic, edition) for edition in EDITIONS
    }


def chores_of(desk: Desk, state: sqlite3.Connection) -> tuple[Callable[[], Awaitable[None]], ...]:
    """What runs beside them until it is cancelled."""
    dynamic = DynamicLimits(state, now=desk.ports.now)
    charging = Handlers(desk, Courses(state), EDITION_201, Reports(), dynamic).charging

    async def tell() -> None:
        await keep_telling(charging, desk)

    return (tell,)


def _oldest(desk: Desk) -> Version:
    calls = Calls16(transactions=desk.transactions, tokens=desk.tokens, now=desk.ports.now)
    handlers = Handlers16(desk)
    operations = Operations16(transactions=desk.transactions, tokens=desk.tokens, now=desk.ports.now)
    return Version(
        subprotocol=OLDEST,
        answer=handlers,
        decide=handlers.decide,
        forget_station=desk.transactions.forget_station,
        greeter=Greeting(),
        carry_out=calls.carry_out,
        operate=operations.carry_out,
        broken_frame=SCHEMAS_16.words.frame,
    )


def _version(desk: Desk, courses: Courses, dynamic: DynamicLimits, edition: Edition) -> Version:
    calls = Calls(courses=courses, tokens=desk.tokens, edition=edition, now=desk.ports.now)
    reports = Reports()
    handlers = Handlers(desk, courses, edition, reports, dynamic)
    operations = Operations(
        courses=courses,
        tokens=desk.tokens,
        reports=reports,
        dynamic=dynamic,
        edition=edition,
        now=desk.ports.now,
    )

    def forget_station(station_id: str) -> None:
        courses.forget_station(station_id)
        reports.forget_station(station_id)

    return Version(
        subprotocol=edition.subprotocol,
        answer=handlers,
        decide=handlers.decide,
        forget_station=forget_station,
        greeter=Greeting2(),
        carry_out=calls.carry_out,
        operate=operations.carry_out,
        broken_frame=edition.schemas.words.frame,
        knows_send=edition.knows_send,
    )
