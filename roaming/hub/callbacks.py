"""Addresses of ours that stand for addresses of partners: ``response_url``, the next page of a list, where a CDR is.

What one stood for is stored before it is given away, so it works after a restart; it is good for the partner that got
it and nobody else, and for a while only. (OCPI 2.2.1, transport_and_format 4.1.6 and 4.3)
"""

import secrets
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import delete, or_, select, update

from roaming.hub.tables import CallbackRow
from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.ocpi.errors import NotFound
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import OcpiModule, Route, Services
from roaming.store.bulk import append
from roaming.store.database import Database, Work

CALLBACKS = CallbackRow.__table__  # type: ignore[attr-defined]
MODULE_ID = "callbacks"
CLAIM = timedelta(seconds=60)
"""A result that was being passed on when the process was killed may be told again after this."""
_PRUNED_AT_ONCE = 10


class Kind(StrEnum):
    """What an address is for."""

    RESULT = "RESULT"
    PAGE = "PAGE"
    RECORD = "RECORD"


KEPT = {Kind.RESULT: timedelta(hours=24), Kind.PAGE: timedelta(hours=1), Kind.RECORD: timedelta(days=90)}
"""How long an address is good."""


@dataclass(frozen=True, kw_only=True)
class Callback:
    """What an address of ours stands for."""

    id: str
    kind: str
    holder: str
    target: str
    url: str
    module: str
    route: str
    from_party: str
    to_party: str
    state: str = "OPEN"

    @property
    def routing(self) -> RoutingHeaders:
        """Who asks whom through it."""
        return RoutingHeaders(PartyId.parse(self.from_party), PartyId.parse(self.to_party))


_COLUMNS = ", ".join(field.name for field in fields(Callback))


def name_of(route: Route) -> str:
    """Under which a stored address remembers its route."""
    return f"{route.method} {route.interface} {route.path}"


def route_of(services: Services, callback: Callback) -> tuple[OcpiModule, Route]:
    """Raises ``NotFound`` when a release without this route took over."""
    for module in services.modules:
        for route in module.routes if module.id == callback.module else ():
            if name_of(route) == callback.route:
                return module, route
    raise NotFound("this address is no longer good")


async def keep(
    services: Services,
    kind: Kind,
    *,
    holder: str,
    target: str,
    url: str,
    module: OcpiModule,
    route: Route,
    routing: RoutingHeaders,
) -> str:
    """Stores what a new address stands for and returns its id. Raises ``StoreUnavailable``."""
    row = {
        "id": secrets.token_urlsafe(16).lstrip("-_") or "0",
        "kind": kind.value,
        "holder": holder,
        "target": target,
        "url": url,
        "module": module.id,
        "route": name_of(route),
        "from_party": str(routing.from_party),
        "to_party": str(routing.to_party),
        "state": "OPEN",
    }
    async with services.database.work() as work:
        await append(work.connection, CALLBACKS, [{**row, "expires_at": work.now + KEPT[kind]}])
        await _prune(work)
    return row["id"]


def address(services: Services, version: Version, id: str) -> str:
    """The address as a partner that speaks ``version`` is given it."""
    base = "/2.1.1/callbacks" if version == Version.V2_1_1 else f"/{version}/sender/callbacks"
    return f"{services.public_url}{base}/{id}"


async def find(services: Services, id: str, kind: Kind, *, holder: str) -> Callback:
    """What ``id`` stands for. Raises ``NotFound``, the same for one that is unknown, expired or somebody else's."""
    rows = await services.database.reader.fetch(
        f"SELECT {_COLUMNS} FROM hub_callbacks WHERE id = $1 AND expires_at > $2",  # noqa: S608 - our names
        id,
        services.clock.now(),
    )
    found = Callback(**dict(zip(Callback.__dataclass_fields__, rows[0], strict=True))) if rows else None
    if found is None or found.kind != kind or found.holder != holder:
        raise NotFound("there is no such address, or it is no longer good")
    return found


async def claim(database: Database, id: str) -> bool:
    """Whether whoever calls may pass the result on now: at most one at a time may."""
    async with database.work() as work:
        state, at = CALLBACKS.c.state, CALLBACKS.c.claimed_at
        is_free = or_(state == "OPEN", (state == "CLAIMED") & (at < work.now - CLAIM))
        changed = await work.connection.execute(
            update(CALLBACKS).where(CALLBACKS.c.id == id, is_free).values(state="CLAIMED", claimed_at=work.now)
        )
        return changed.rowcount == 1


async def settle(database: Database, id: str, *, is_done: bool) -> None:
    """Ends a claim: the result has arrived, or may be told again."""
    async with database.work() as work:
        state = "DONE" if is_done else "OPEN"
        await work.connection.execute(update(CALLBACKS).where(CALLBACKS.c.id == id).values(state=state))


async def _prune(work: Work) -> None:
    old = select(CALLBACKS.c.id).where(CALLBACKS.c.expires_at < work.now).limit(_PRUNED_AT_ONCE)
    await work.connection.execute(delete(CALLBACKS).where(CALLBACKS.c.id.in_(old)))
