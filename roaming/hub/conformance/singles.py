"""Single objects at a platform: those of its own by id, and what it says of one that does not exist."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from roaming.hub.conformance.lists import ListSide, read_object
from roaming.hub.conformance.probing import Prober, words
from roaming.hub.conformance.report import Verdict
from roaming.model.identifiers import PartyId
from roaming.ocpi.addresses import join
from roaming.ocpi.answers import Outcome
from roaming.ocpi.codec import Codec, DecodeError

NOWHERE = "ROAMING-CHECK-NOT-THERE"
_INSIDE = (("evses", "uid"), ("connectors", "id"))
"""What stands in a Location, and what stands in that."""


async def check_own(
    prober: Prober, side: ListSide, items: Sequence[Any], codecs: Sequence[Codec[Any]], now: datetime
) -> None:
    """GET of one object of a list by its id and, for as many levels as there are ``codecs``, of what is inside it."""
    name, module, key = "single object", side.module, side.id_fields[0]
    item = next((item for item in items if isinstance(item.get(key), str) and item[key]), None)
    if item is not None:
        answer = await prober.get(module, join(side.url, item[key]))
        if prober.succeeded(module, name, answer) and _is_object(prober, module, name, answer.data):
            is_meant = str(answer.data.get(key, "")).casefold() == item[key].casefold()
            prober.report.expect(module, name, is_meant, f"{key}: another object than was asked for")
            read_object(prober, side, answer.data, now)
        await _check_inside(prober, side, item, codecs[1:])
    await check_unknown(prober, module, join(side.url, NOWHERE))


async def _check_inside(prober: Prober, side: ListSide, item: Any, codecs: Sequence[Codec[Any]]) -> None:
    path, inner = [item["id"]], item
    for (field, key), codec in zip(_INSIDE, codecs, strict=False):
        entries = [entry for entry in inner.get(field) or [] if isinstance(entry, dict)]
        inner = next((entry for entry in entries if isinstance(entry.get(key), str) and entry[key]), None)
        if inner is None:
            return
        path.append(inner[key])
        name = f"single {field.removesuffix('s')}"
        answer = await prober.get(side.module, join(side.url, *path))
        if not prober.succeeded(side.module, name, answer) or not _is_object(prober, side.module, name, answer.data):
            continue
        try:
            codec.decode(answer.data)
        except DecodeError as error:
            prober.report.add(side.module, name, Verdict.FAIL, str(error))


async def check_receiver(prober: Prober, module: str, url: str, depth: int, owner: PartyId) -> None:
    """GET of an object of ``owner`` that was never given to the platform; ``depth``: parts of its address."""
    parts = (owner.country_code, owner.party_id, NOWHERE)[:depth]
    await check_unknown(prober, module, join(url, *parts), name="unknown object (receiver)")


async def check_unknown(prober: Prober, module: str, url: str, *, name: str = "unknown object") -> None:
    """What is not there is answered with HTTP 404 and an envelope."""
    answer = await prober.get(module, url)
    detail = f"{words(answer)}, expected HTTP 404"
    if answer.http_status == 404:
        prober.report.add(module, name, Verdict.PASS)
    elif answer.outcome is Outcome.REFUSED:
        prober.report.add(module, name, Verdict.WARN, detail)
    else:
        prober.report.add(module, name, Verdict.FAIL, detail)


def _is_object(prober: Prober, module: str, name: str, data: Any) -> bool:
    is_object = isinstance(data, dict)
    found = "a list" if isinstance(data, list) else "nothing" if data is None else type(data).__name__
    prober.report.expect(module, name, is_object, f"data: {found}, expected one object")
    return is_object
