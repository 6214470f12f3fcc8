"""What happens, as it happens, for network operation centres: ``GET /api/feed``, server-sent events (WHATWG HTML,
section 9.2).

A reader that comes back sends ``Last-Event-ID``, as browsers do by themselves, and misses nothing; ``after`` in the
query says the same. Without either the stream begins now; ``after=0`` begins with the oldest that is kept. ``events``
chooses kinds, by commas, ``party`` whose. ``GET /api/events`` reads the same list a page at a time.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from roaming.console.hearing import Unfit, limit_of
from roaming.console.saying import HEADERS, answered, as_csv, said
from roaming.console.stations_api import Work
from roaming.console.stations_query import AFTER_EVENT, CSV, EVENTS, PARTY, asked_by, limit
from roaming.feed import kinds, reading
from roaming.feed.reading import Numbered, Wish
from roaming.ocpi.module import Services
from roaming.store.errors import StoreUnavailable

MOST_READERS = 200
"""Of one process."""
RETRY_MILLISECONDS = 2_000
"""After a broken connection a reader waits for so long."""
LARGEST_PAGE = 1_000
MOST_OF_ONE = 50
"""With one operator's token: nobody keeps all others out."""
_readers: dict[object, str] = {}
"""Who follows, by connection."""


@asked_by(EVENTS, PARTY, AFTER_EVENT)
async def get_feed(services: Services, request: Request, who: str) -> Response:
    """What happens, as it happens: server-sent events; Last-Event-ID says after which. It ends when the operator's
    token does."""
    try:
        wish, after = _wish(request), _after(request)
    except ValueError as error:
        return said(str(error), 400)
    if len(_readers) >= MOST_READERS:
        return said("too many follow the feed here: try again later", 503, {"Retry-After": "30"})
    if _has_enough(who):
        return said(f"{MOST_OF_ONE} follow the feed with this token: end one of them", 429, {"Retry-After": "30"})
    reader = services.database.reader
    begins_at = await reading.newest(reader) if after is None else after
    has_gap = bool(after) and not await reading.is_kept(reader, begins_at)
    may_stay: Callable[[], Awaitable[bool]] = request.state.may_stay

    async def stream() -> AsyncIterator[bytes]:
        if len(_readers) >= MOST_READERS or _has_enough(who):
            return  # several came at once
        me = object()
        _readers[me] = who
        try:
            yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
            if has_gap:
                yield b'event: feed.gap\ndata: {"note": "older events than these are kept no more"}\n\n'
            async with aclosing(reading.follow(services.database, begins_at, wish)) as batches:
                async for batch in batches:
                    if not await may_stay():
                        return
                    yield b"".join(map(_told, batch)) or b": nothing new\n\n"
        except StoreUnavailable:
            return  # the reader comes back and goes on where it was
        finally:
            del _readers[me]

    return StreamingResponse(stream(), media_type="text/event-stream", headers=HEADERS | {"X-Accel-Buffering": "no"})


def _has_enough(who: str) -> bool:
    return sum(name == who for name in _readers.values()) >= MOST_OF_ONE


@asked_by(AFTER_EVENT, limit(100, LARGEST_PAGE), EVENTS, PARTY, CSV)
async def get_events(services: Services, request: Request, _who: str) -> Response:
    """A page of what happened; ``next`` is what to ask after then."""
    try:
        wish, after = _wish(request), _after(request)
    except ValueError as error:
        return said(str(error), 400)
    try:
        limit = limit_of(request, usual=100, largest=LARGEST_PAGE)
    except Unfit as error:
        return said(f"{error.field}: {error}", 400, field=error.field)
    found, last, has_more = await reading.read_after(services.database.reader, after or 0, wish, limit)
    rows = [{"number": number, **event} for number, event in found]
    if request.query_params.get("format") == "csv":
        return as_csv(rows)
    return answered({"events": rows, "next": last, "has_more": has_more})


def _told(numbered: Numbered) -> bytes:
    number, event = numbered
    # One line: JSON has no line breaks of its own
    return f"id: {number}\nevent: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _wish(request: Request) -> Wish:
    """Of somebody who may see one party only, it is that one, whatever is asked for."""
    query = request.query_params
    asked, allowed = query.get("party", ""), request.state.party
    if allowed and asked not in ("", allowed):
        raise Unfit(f"party: this token is for {allowed} only")
    return Wish(party=(allowed or asked).upper(), patterns=kinds.check(query.get("events", "").split(",")))


def _after(request: Request) -> int | None:
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Unfit("after, Last-Event-ID: the number of an event, such as 4711")
    return int(text)


ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/feed", "GET", get_feed),
    ("/api/events", "GET", get_events),
)
