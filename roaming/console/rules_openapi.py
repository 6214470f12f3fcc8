"""The OpenAPI documents of the API for operators, made from tables of operations. Pure."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from roaming.console.rules_api import ENTRIES, Entry
from roaming.console.rules_forms import Wrong

_VARIABLE = re.compile(r"\{(\w+)\}")
_MEANING = {
    400: "Something is wrong with the request; `field` names it",
    401: "No operator's token, or a wrong one",
    404: "There is nothing of the kind",
    403: "The token is another party's, or one party's where only the hub's own people may",
    409: "It cannot be done as things stand",
    429: "Too many wrong tokens from this address",
    503: "The database is away: ask again",
}
_ALWAYS = (401, 429, 503)
_ABOUT = {
    "id": "Number of a rule",
    "cpo": "Such as NL-TNM",
    "emsp": "Such as DE-EMS",
    "kind": "parties or locations",
    "name": "Name of the group",
    "cdr_id": "Id of a CDR of that CPO",
    "tariff": "Id of a tariff of that CPO",
    "partner": "A partner's short name, or `all`",
    "dispute": "Id of a dispute",
    "one": "A party, such as NL-TNM",
    "other": "The other party",
    "month": "Such as 2026-10 (UTC)",
    "party": "Such as NL-TNM",
    "number": "Of an invoice",
}


def document(
    *, release: str, entries: Sequence[Entry] = ENTRIES, title: str = "agreements, rules and groups"
) -> dict[str, Any]:
    """OpenAPI 3.1."""
    types = [each for entry in entries for each in (entry.takes, entry.gives) if each is not None]
    shapes, schemas = msgspec.json.schema_components(
        dict.fromkeys([*types, Wrong]), ref_template="#/components/schemas/{name}"
    )
    refs = dict(zip(dict.fromkeys([*types, Wrong]), shapes, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for entry in entries:
        paths.setdefault(entry.path, {})[entry.method.lower()] = _operation(entry, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Roaming hub: {title}",
            "version": release,
            "description": "For operators. `roaming operator add NAME` prints a token.",
        },
        "security": [{"operator": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
        },
    }


def _operation(entry: Entry, refs: dict[Any, Any]) -> dict[str, Any]:
    in_path = [_parameter(name, "path", _ABOUT[name]) for name in _VARIABLE.findall(entry.path)]
    in_query = [_parameter(name, "query", about) for name, about in entry.query]
    found: dict[str, Any] = {"summary": entry.summary, "operationId": entry.handle.__name__}
    if in_path or in_query:
        found["parameters"] = [*in_path, *in_query]
    if entry.takes is not None:
        found["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": refs[entry.takes]} for kind in entry.media},
        }
    success: dict[str, Any] = {"description": "Done"}
    if entry.gives is not None:
        success["content"] = _json(refs[entry.gives])
    found["responses"] = {str(entry.success): success} | {
        str(status): {"description": _MEANING[status], "content": _json(refs[Wrong])}
        for status in sorted({*entry.refusals, *_ALWAYS})
    }
    return found


def _parameter(name: str, where: str, about: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer" if name in ("id", "limit", "before", "version") else "string"}
    if name == "member":
        schema = {"type": "array", "items": schema}
    return {"name": name, "in": where, "required": where == "path", "description": about, "schema": schema}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
