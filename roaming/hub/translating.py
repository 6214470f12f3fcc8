"""The bodies of a request that is passed on, and of its answer, in the version of the other side.

Between equal versions nothing is touched. Otherwise the module's codecs say it, and what they lose is noted; what they
cannot say is an error, never passed on as it was. (OCPI 2.2.1, transport_and_format 4.3)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from roaming.hub.passage import Passage
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.session import Session
from roaming.model.token import AuthorizationInfo, Token
from roaming.model.version import Version
from roaming.ocpi.codec import Codec, DecodeContext, DecodeError, EncodeContext, EncodeError
from roaming.ocpi.content import Content
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.quoting import context_to_read, contexts_to_write
from roaming.ocpi.wire import Note, Wire
from roaming.partners.drivers import driver_of, find_drivers, remember
from roaming.store.documents import object_key

logger = structlog.get_logger(__name__)


class NotInTheirVersion(Exception):
    """The receiver's version has nothing of this kind."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One end of a translation. ``partner_id``: who speaks there."""

    version: Version
    partner_id: str
    owner: PartyId
    """Whose objects come from there, where bodies do not say (2.1.1)."""
    readers: tuple[PartyId, ...]
    """Whose drivers they may be about."""


async def translate(
    passage: Passage,
    payload: Content,
    body: Any,
    *,
    source: Side,
    target: Version,
    notes: list[Note],
    show: Callable[[Any], Any] | None = None,
) -> Any:
    """``body``, parsed JSON, as ``target`` says it. Of a list, what cannot be read or said is left out and noted, so
    that it does not hide the rest. ``show``: how the object, or the change of it, looks to whom it is for; where that
    is no different, and neither is the version, ``body`` itself is returned.

    Raises ``NotInTheirVersion``, ``DecodeError``, ``EncodeError``, ``OcpiError``.
    """
    path = passage.request.path
    reading, writing = payload.codec(source.version, path), payload.codec(target, path)
    if reading is None or writing is None:
        raise NotInTheirVersion
    one = _One(passage, reading, writing, source, notes, show)
    if payload.is_partial:
        return await one.change(body)
    if not payload.is_list:
        return await one.whole(body)
    said = []
    for position, entry in enumerate(body if isinstance(body, list) else ()):
        try:
            said.append(await one.whole(entry))
        except (DecodeError, EncodeError, OcpiError) as error:
            notes.append(f"left out [{position}]: {error}")
            logger.warning("object_left_out_of_passed_list", module=passage.module.id, reason=str(error))
    return said


_AS_IT_CAME = object()


class _One:
    """Bodies of one kind, from one side to the other."""

    def __init__(
        self,
        passage: Passage,
        reading: Codec[Any],
        writing: Codec[Any],
        source: Side,
        notes: list[Note],
        show: Callable[[Any], Any] | None,
    ) -> None:
        self._show = show
        self._passage = passage
        self._services = passage.request.services
        self._reading = reading
        self._writing = writing
        self._source = source
        self._notes = notes
        self._wire = Wire(
            version=source.version, received_at=self._services.clock.now(), owner=source.owner, notes=notes
        )

    async def whole(self, body: Any) -> Any:
        value = self._wire.decode(
            {self._source.version: self._reading}, body, context=await self._context_to_read(body)
        )
        await self._learn(value)
        shown = self._shown(value)
        if shown is _AS_IT_CAME:
            return body
        context = await self._context_to_write(shown)
        encoded = self._writing.encode(shown, context=context)
        self._notes.extend(encoded.losses)
        return encoded.body

    async def change(self, body: Any) -> Any:
        patch = self._wire.decode_patch(
            {self._source.version: self._reading}, body, context=await self._context_to_read(body)
        )
        if patch.last_updated is None and self._writing.version != Version.V2_1_1:
            patch = replace(patch, changes={**patch.changes, "last_updated": self._wire.received_at})
            self._notes.append("tolerated last_updated: MISSING")
        shown = self._shown(patch)
        if shown is _AS_IT_CAME:
            return body
        encoded = self._writing.encode_patch(shown)
        self._notes.extend(encoded.losses)
        return encoded.body

    def _shown(self, value: Any) -> Any:
        """The object, or the change, as it is for whom it goes to; ``_AS_IT_CAME``: its body may stay as it is."""
        shown = self._show(value) if self._show is not None else value
        is_same_version = self._source.version == self._writing.version
        return _AS_IT_CAME if is_same_version and shown == value else shown

    async def _context_to_read(self, body: Any) -> DecodeContext:
        if not isinstance(body, dict):
            return DecodeContext()
        if self._source.version == Version.V2_1_1 and self._reading.form.of in (Session, CDR):
            async with self._services.database.reading() as connection:
                return await context_to_read(
                    connection, body, self._source.owner, owners=self._source.readers, session=None
                )
        if self._reading.form.of is AuthorizationInfo and body.get("token") is None:
            return DecodeContext(token=await self._token_asked_about())
        return DecodeContext()

    async def _token_asked_about(self) -> Token | None:
        """2.1.1 answers do not repeat it, nor do some of later versions, which should."""
        request = self._passage.request
        kind = request.query.get("type") or request.query.get("token_type") or "RFID"
        drivers = await find_drivers(self._services.database, request.path.get("token_uid", ""))
        asked_about = (self._source.owner, kind)
        return next((driver.token() for driver in drivers if (driver.owner, driver.type) == asked_about), None)

    async def _context_to_write(self, value: Any) -> EncodeContext:
        """2.1.1 quotes the location of a session or CDR whole."""
        if self._writing.version != Version.V2_1_1 or not isinstance(value, Session | CDR):
            return EncodeContext()
        owner = PartyId.of(value.country_code, value.party_id)
        if isinstance(value, Session):
            session_id, location_id = value.id, value.location_id
        else:
            session_id, location_id = value.session_id or "", value.cdr_location.id
        place = ("", object_key(owner, session_id), owner, location_id)
        return (await contexts_to_write(self._services.database.reader, [place])).get("", EncodeContext())

    async def _learn(self, value: Any) -> None:
        """Whose token it is, for what a 2.1.1 side says later by its contract only."""
        token = getattr(value, "token", None)
        if self._writing.version != Version.V2_1_1 or not isinstance(token, Token):
            return
        if PartyId.of(token.country_code, token.party_id) not in (self._passage.from_party, self._passage.to_party):
            return
        passage = self._passage
        directory = passage.request.directory
        speaker = directory.partner_of(PartyId.of(token.country_code, token.party_id))
        if speaker is None:
            return
        async with self._services.database.work() as work:
            await remember(work, driver_of(token, source=speaker.id, now=work.now), is_used=True)
