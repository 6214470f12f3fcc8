"""Sends a request on to a party of another partner and brings the answer back.

A new request id, the same correlation id, the same parties in the headers, that partner's credentials token; bodies as
they are between equal versions. (OCPI 2.2.1, transport_and_format 4.1.5 and 4.3; hub errors in status_codes)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import structlog

from roaming.hub import callbacks, dealings, whereabouts
from roaming.hub.answering import Answering, trouble_of
from roaming.hub.callbacks import Kind
from roaming.hub.checking import check_body, check_session, check_target, is_record_push, is_session_push
from roaming.hub.passage import Passage
from roaming.hub.reach import Reach
from roaming.hub.ruling import is_told_to_book, place_told, showing
from roaming.hub.translating import NotInTheirVersion, Side, translate
from roaming.ocpi.answers import Answer
from roaming.ocpi.callbacks import check_response_url
from roaming.ocpi.codec import EncodeError, dump_json, parse_json
from roaming.ocpi.errors import HubError, InvalidParameters, UnknownToken
from roaming.ocpi.module import Clue, OcpiResponse, Services, dialect_of, routing_to
from roaming.ocpi.partner_call import ask_partner, call_to, parties_of
from roaming.ocpi.wire import Note

logger = structlog.get_logger(__name__)

TIMEOUT = 30.0
"""Seconds, unless partners agree on something else (OCPI 2.2.1, transport_and_format 4.1.5)."""


class Forwarder:
    """Belongs to one process; keeps nothing but who cannot be reached just now (``reach``)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.reach = Reach(services)

    async def forward(self, passage: Passage, *, timeout: float = TIMEOUT) -> OcpiResponse:
        """The far side's answer, as the caller reads it. Raises ``OcpiError``, 4xxx for what went wrong on the way."""
        await self.reach.check(passage)
        endpoint = passage.partner.endpoint(passage.module.id, passage.route.interface)
        their_version = passage.their_version
        is_known = their_version in passage.route.versions and their_version in passage.module.versions
        try:
            if endpoint is None or not is_known:
                raise NotInTheirVersion
            content = await self._content(passage)
        except NotInTheirVersion:
            return self._unknown_there(passage)
        except EncodeError as error:
            raise HubError(f"OCPI {their_version}, which {passage.to_party} speaks, cannot say this: {error}") from None
        url = dialect_of(passage.partner).address(endpoint, *passage.parts)
        url = _with(url, content.query)
        response = await self.exchange(passage, url, content.body, notes=content.notes, timeout=timeout)
        if response.ocpi_status < 2000:
            if content.record is not None:
                await whereabouts.remember(
                    self._services.database, whereabouts.RECORD, passage.owner, content.record, passage.to_party
                )
            if passage.route.clue is Clue.COUNTERPART:
                await dealings.remember(self._services.database, passage, response)
        return response

    async def exchange(
        self, passage: Passage, url: str, body: bytes | None, *, notes: Sequence[Note] = (), timeout: float = TIMEOUT
    ) -> OcpiResponse:
        """One call to ``url``, and its answer. Raises ``OcpiError``."""
        return await self.read(passage, url, await self.call(passage, url, body, notes=notes, timeout=timeout))

    async def read(self, passage: Passage, url: str, answer: Answer) -> OcpiResponse:
        """The answer that came from ``url``. Raises ``OcpiError``."""
        if passage.route.clue is Clue.DRIVER and answer.http_status == 404:
            raise UnknownToken("this token is not known to its eMSP")
        return await Answering(self._services, passage, url).read(answer)

    async def call(
        self, passage: Passage, url: str, body: bytes | None, *, notes: Sequence[Note] = (), timeout: float = TIMEOUT
    ) -> Answer:
        """Sends, and raises ``OcpiError`` where there is no answer worth passing back. ``notes``: what became of the
        body on its way into the version of the far side, which is told less."""
        request = passage.request
        request.notes.extend(map(str, notes))
        call = call_to(
            self._services,
            passage.partner,
            request.method,
            url,
            routing=routing_to(passage.partner, passage.from_party, passage.to_party),
            ids=request.ids.forwarded(),
            body=body,
            timeout=timeout,
        )
        parties = parties_of(passage.routing)
        answer = await ask_partner(self._services, call, module=passage.module.id, parties=parties, notes=notes)
        error = trouble_of(answer, passage)
        if error is not None:
            if answer.http_status in (401, 403):
                logger.error("partner_refuses_our_token", partner=passage.partner.id, http_status=answer.http_status)
            raise error
        return answer

    def _unknown_there(self, passage: Passage) -> OcpiResponse:
        route, request = passage.route, passage.request
        gives = route.gives.codec(request.version, request.path) if route.gives is not None else None
        if route.if_unknown is None:
            side = route.interface.lower()
            raise HubError(f"{passage.to_party} has no {passage.module.id} ({side}) that could take this")
        value = route.if_unknown()
        assert gives is not None, "what is answered has a codec"
        return OcpiResponse(data=dump_json(gives.encode(value).body), routing=passage.routing)

    async def _content(self, passage: Passage) -> "_Content":
        """Body and query as they are sent. Raises ``NotInTheirVersion``, ``EncodeError``, ``OcpiError``."""
        request, route = passage.request, passage.route
        content = _Content(body=request.body or None, query=passage.query)
        if route.clue is Clue.COUNTERPART:
            await dealings.check(passage)
        if route.takes is None and route.result is None:
            return content
        body = parse_json(request.body) if request.body.strip() else None
        check_body(passage, body)
        if is_session_push(route):
            await check_session(passage)
        elif route.clue is Clue.TARGET:
            await check_target(passage, body)
        elif is_record_push(route) and isinstance(body, dict) and isinstance(body.get("id"), str):
            content.record = body["id"]
        show = showing(request, route, owner=passage.owner, emsp=passage.to_party)
        if body is not None and route.takes is not None and (show is not None or not passage.is_same_version):
            source = Side(
                version=request.version,
                partner_id=request.partner.id,
                owner=passage.owner,
                readers=(passage.to_party,),
            )
            said = await translate(
                passage, route.takes, body, source=source, target=passage.their_version, notes=content.notes, show=show
            )
            if said is not body:
                body, content.body = said, dump_json(said)
        if route.result is not None:
            await self._redirect_result(passage, content, body)
        await self._remember(passage, body)
        return content

    async def _redirect_result(self, passage: Passage, content: "_Content", body: Any) -> None:
        """Puts an address of ours where the result is asked to be sent."""
        in_body = body.get("response_url") if isinstance(body, dict) else None
        url = in_body or response_url_of(content.query)
        if not isinstance(url, str) or not url:
            raise InvalidParameters("response_url: required")
        check_response_url(passage.request, url)
        id = await callbacks.keep(
            self._services,
            Kind.RESULT,
            holder=passage.partner.id,
            target=passage.request.partner.id,
            url=url,
            module=passage.module,
            route=passage.route,
            routing=passage.routing.swapped(),
        )
        ours = callbacks.address(self._services, passage.their_version, id)
        if in_body:
            content.body = dump_json({**body, "response_url": ours})
        else:
            content.query = _replaced(content.query, ours)

    async def _remember(self, passage: Passage, body: Any) -> None:
        """What later requests are routed by."""
        path = passage.request.path
        database = self._services.database
        if is_session_push(passage.route):
            await whereabouts.remember(
                database,
                whereabouts.SESSION,
                passage.owner,
                path["session_id"],
                passage.to_party,
                whereabouts.place_in(body),
            )
        elif is_told_to_book(passage.request, passage.route):
            await self._remember_place(passage)
        elif passage.route.clue is Clue.TARGET and isinstance(body, dict):
            reservation_id, place = body.get("reservation_id"), whereabouts.place_in(body)
            if isinstance(reservation_id, str | int) and place is not None:  # who cancels one does not say where it is
                await whereabouts.remember(
                    database,
                    whereabouts.RESERVATION,
                    passage.from_party,
                    str(reservation_id),
                    passage.to_party,
                    place,
                )

    async def _remember_place(self, passage: Passage) -> None:
        """Of a booking location that one eMSP is told of: the hub keeps no copy of it."""
        told, id = place_told(passage.request, passage.route), passage.request.path["booking_location_id"]
        database, emsp = self._services.database, passage.to_party
        known = await whereabouts.place_to_book(database.reader, emsp, passage.owner, id)
        location_id = told.location_id or (known.location_id if known is not None else "")
        if not location_id:
            return
        is_change = passage.request.method == "PATCH" and known is not None
        uid = told.evse_uid or (known.evse_uid if is_change and known is not None else "")
        place = whereabouts.Place(location_id=location_id, evse_uid=uid)
        await whereabouts.remember(database, whereabouts.TO_BOOK, passage.owner, id, emsp, place)


@dataclass(slots=True)
class _Content:
    body: bytes | None
    query: str
    notes: list[Note] = field(default_factory=list)
    record: str | None = None
    """Id of a CDR."""


def _with(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def response_url_of(query: str) -> str | None:
    """Out of a query. The specification's own example does not encode it: then all that follows belongs to it."""
    name = "response_url="
    position = query.find(name)
    if position < 0:
        return None
    rest = query[position + len(name) :]
    if "%3A%2F%2F" in rest.upper() or "://" not in rest:
        found: Mapping[str, str] = dict(parse_qsl(query, keep_blank_values=True))
        return found.get("response_url")
    return rest


def _replaced(query: str, ours: str) -> str:
    url = response_url_of(query)
    assert url is not None
    position = query.find("response_url=")
    rest = query[position:]
    if "://" in rest and "%3A%2F%2F" not in rest.upper():
        return f"{query[:position]}response_url={quote(ours, safe='')}"
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "response_url"]
    return urlencode([*kept, ("response_url", ours)], quote_via=quote)
