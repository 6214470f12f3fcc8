"""Answers to GETs of any module: stored texts as they are, in lists joined and paged by key, with the headers that
belong to them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import structlog

from roaming.model.canonical import CanonicalObject, from_document
from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.ocpi.codec import Codec, EncodeContext, EncodeError, Loss, dump_json
from roaming.ocpi.envelope import success_list
from roaming.ocpi.errors import NotFound
from roaming.ocpi.module import OcpiRequest, OcpiResponse
from roaming.ocpi.paging import Cursor, page_headers, read_page
from roaming.ocpi.wire import count_losses
from roaming.store.columns import text_to_time
from roaming.store.documents import Documents, PageRow, key_for_logs, owner_of_key
from roaming.store.losses import EVERYBODY
from roaming.store.reader import Reader
from roaming.store.selections import Selection

logger = structlog.get_logger(__name__)

T = TypeVar("T", bound=CanonicalObject)

MAX_LIMIT = 100
_NOTHING_MORE = EncodeContext()

Surroundings = Callable[[Reader, Mapping[str, PageRow]], Awaitable[Mapping[str, EncodeContext]]]
"""What 2.1.1 wants beside objects, read by their keys."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Which objects of owners under agreement are seen, by key: of those in ``only`` nothing else, of others all but
    those in ``without``."""

    only: Mapping[PartyId, Sequence[str]] = field(default_factory=dict)
    without: Mapping[PartyId, Sequence[str]] = field(default_factory=dict)


EVERYTHING = Sight()


@dataclass(frozen=True, kw_only=True)
class Shown(Generic[T]):
    """How objects look to one partner, where that is not how they are stored."""

    is_different: Callable[[str], bool]
    """By key."""
    change: Callable[[T], T]


async def answer_list(
    request: OcpiRequest,
    documents: Documents,
    codecs: Mapping[Version, Codec[T]],
    cls: type[T],
    *,
    owners: Mapping[PartyId, str],
    scopes: tuple[str, ...] = ("",),
    surroundings: Surroundings | None = None,
    sight: Sight = EVERYTHING,
    shown: Shown[T] | None = None,
) -> OcpiResponse:
    """One page of what the caller may see: objects of ``owners``, each with who gave us these; of some only those in
    ``sight``, and some as the caller is ``shown`` them. Texts that had to be made are kept for the next reader."""
    page = read_page(request.query, max_limit=MAX_LIMIT)
    database = request.services.database
    selection = replace(_selection(owners, scopes, sight), date_from=page.date_from, date_to=page.date_to)
    rows: list[PageRow] = []
    total = 0
    if owners:
        rows, total = await documents.page_and_total(
            database,
            selection,
            request.version,
            limit=page.limit + 1,
            offset=page.offset,
            after=(page.cursor.at, page.cursor.key) if page.cursor else None,
        )
    has_more = len(rows) > page.limit
    rows = rows[: page.limit]
    contexts = await _contexts(request, surroundings, [row for row in rows if row.text is None])
    own_texts = await _shown_texts(request, documents, codecs, cls, rows, owners, shown)
    texts, made = [], []
    for row in rows:
        text = own_texts.get(row.key, row.text)
        if text is None:
            try:
                context = contexts.get(row.key, _NOTHING_MORE)
                text, losses = text_of(row, codecs[request.version], cls, context=context)
            except EncodeError as error:
                # One object that this version cannot say must not hide the others
                _left_out(documents.module, row.key, error)
                continue
            made.append((row.key, row.revision, text))
            count_losses(request.services.journal, EVERYBODY, documents.module, losses)
        if text:
            texts.append(text)
    if made:
        async with database.work() as work:
            await documents.keep_texts(work.connection, request.version, made)
    next_cursor = Cursor(text_to_time(rows[-1].last_updated), rows[-1].key) if has_more else None
    headers = page_headers(
        request.url, page, returned=len(rows), total=total, max_limit=MAX_LIMIT, next_cursor=next_cursor
    )
    return OcpiResponse(data=success_list(texts, request.services.clock.now()), headers=headers, is_enveloped=True)


def _selection(owners: Mapping[PartyId, str], scopes: tuple[str, ...], sight: Sight) -> Selection:
    return Selection(owners=tuple(owners), sources=owners, scopes=scopes, only=sight.only, without=sight.without)


async def _shown_texts(
    request: OcpiRequest,
    documents: Documents,
    codecs: Mapping[Version, Codec[T]],
    cls: type[T],
    rows: Sequence[PageRow],
    owners: Mapping[PartyId, str],
    shown: Shown[T] | None,
) -> dict[str, str]:
    """The texts of those objects of a page that look different to the caller; empty for what its version cannot
    say."""
    if shown is None:
        return {}
    keys = {row.key: owners[owner_of_key(row.key)] for row in rows if shown.is_different(row.key)}
    texts: dict[str, str] = {}
    for row in await documents.texts(request.services.database, keys, request.version, is_whole=False):
        try:
            encoded = codecs[request.version].encode(shown.change(from_document(cls, row.document or "", row.live)))
            texts[row.key] = dump_json(encoded.body).decode()
        except EncodeError as error:
            _left_out(documents.module, row.key, error)
            texts[row.key] = ""
    return texts


def text_of(
    row: PageRow, codec: Codec[T], cls: type[T], *, context: EncodeContext = _NOTHING_MORE
) -> tuple[str, Sequence[Loss]]:
    """The JSON text of an object in the codec's version, from its document, and what it does not say. Raises
    ``EncodeError``."""
    encoded = codec.encode(from_document(cls, row.document or "", row.live), context=context)
    return dump_json(encoded.body).decode(), encoded.losses


def addressed(request: OcpiRequest, owners: Mapping[PartyId, str]) -> Mapping[PartyId, str]:
    """Of ``owners`` the one in OCPI-to; all of them where it is absent or the hub itself: GET-all (OCPI 2.2.1 section
    4.3.2.4)."""
    wanted = request.routing.to_party
    if wanted is None or wanted == request.services.hub_party:
        return owners
    return {wanted: owners[wanted]} if wanted in owners else {}


def private_to(request: OcpiRequest) -> str:
    """The party that a pushed object is for alone, such as ``NL-TNM``; empty for one that is for all who may see it."""
    receiver = request.routing.to_party
    return "" if receiver is None or receiver == request.services.hub_party else str(receiver)


async def answer_own(
    request: OcpiRequest,
    documents: Documents,
    codecs: Mapping[Version, Codec[T]],
    cls: type[T],
    *,
    key: str,
    surroundings: Surroundings | None = None,
) -> OcpiResponse:
    """One object that the caller gave us. Raises ``NotFound``, the same when somebody else gave it."""
    source, database = request.partner.id, request.services.database
    rows = await documents.texts(database, {key: source}, request.version, is_whole=False, is_own=True)
    if not rows:
        raise NotFound("there is no such object")
    context = (await _contexts(request, surroundings, rows)).get(key, _NOTHING_MORE)
    value = from_document(cls, rows[0].document or "", rows[0].live)
    return OcpiResponse(data=request.wire().encode(codecs, value, context=context))


async def _contexts(
    request: OcpiRequest, surroundings: Surroundings | None, rows: Sequence[PageRow]
) -> Mapping[str, EncodeContext]:
    if surroundings is None or request.version != Version.V2_1_1:
        return {}
    return await surroundings(request.services.database.reader, {row.key: row for row in rows})


def _left_out(module: str, key: str, error: EncodeError) -> None:
    logger.warning("object_left_out_of_list", module=module, key=key_for_logs(module, key), reason=str(error))
