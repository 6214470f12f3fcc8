"""The OpenAPI document of what operators ask about stations over HTTP, made from the routes, what their functions say
of themselves and are marked with, and the kinds of orders. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from roaming.console import (
    binding_api,
    certificates_api,
    feed_api,
    files_api,
    monitoring_api,
    stations_api,
    waves_api,
    webhooks_api,
)
from roaming.console.hearing import FORMS
from roaming.console.stations_query import QUERIES
from roaming.operations.orders import KINDS

APIS: Final = (
    (stations_api, "stations"),
    (binding_api, "stations"),
    (monitoring_api, "monitoring"),
    (certificates_api, "certificates"),
    (files_api, "firmware and logs"),
    (waves_api, "waves of updates"),
    (feed_api, "events"),
    (webhooks_api, "webhooks and e-mail"),
)
_VARIABLE: Final = re.compile(r"\{(\w+)\}")
_IN_PATH: Final[Mapping[str, str]] = {
    "station_id": "Id of a station, in any case",
    "id": "As the list has it",
    "name": "As the list has it",
    "what": "What to do",
}
_SELECTION: Final[Mapping[str, Any]] = {
    "stations": {"type": "array", "items": {"type": "string"}, "description": "Ids"},
    "group": {"type": "string", "description": "All stations of this group"},
    "tags": {"type": "array", "items": {"type": "string"}, "description": "All stations with all of these"},
    "network": {"type": "string", "description": "Where several have stations of one name"},
    "why": {"type": "string", "description": "Kept with the record: a ticket, a reason"},
    "seconds": {"type": "number", "description": "That stations have to answer, at most 3600"},
    "dry_run": {"type": "boolean", "description": "Show which stations would be asked, and ask none"},
}
_MEANING: Final = {
    "400": "Something is wrong with the request: what, and what would be right",
    "401": "No operator's token, or a wrong one",
    "403": "The token is one party's, and this is another's or for the hub's own people",
    "404": "There is nothing of the kind",
    "409": "It cannot be done as things stand",
    "429": "Too many wrong tokens from this address",
    "503": "The database is away: ask again",
}
_WRONG: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "field": {"type": "string"}},
}


def document(*, release: str) -> dict[str, Any]:
    """OpenAPI 3.1."""
    works = [work for api, _ in APIS for _, _, work in api.ROUTES]
    forms = list(dict.fromkeys(FORMS[work] for work in works if work in FORMS))
    found, schemas = msgspec.json.schema_components(
        [*KINDS.values(), *forms], ref_template="#/components/schemas/{name}"
    )
    shapes, refs = found[: len(KINDS)], dict(zip(forms, found[len(KINDS) :], strict=True))
    order = {"allOf": [{"type": "object", "properties": dict(_SELECTION)}, {"oneOf": list(shapes)}]}
    paths: dict[str, dict[str, Any]] = {}
    for api, tag in APIS:
        for path, method, work in api.ROUTES:
            paths.setdefault(path, {})[method.lower()] = _operation(path, method, work, tag, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Roaming hub: stations",
            "version": release,
            "description": "For operators. `roaming operator add NAME` prints a token; with `--party` one that sees "
            "what is that party's: monitoring, events, webhooks and e-mail.",
        },
        "security": [{"operator": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(tag for _, tag in APIS)],
        "paths": paths,
        "components": {
            "securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas | {"Order": order, "Wrong": _WRONG},
        },
    }


def _operation(path: str, method: str, work: Any, tag: str, refs: Mapping[Any, Any]) -> dict[str, Any]:
    text = " ".join((work.__doc__ or "").split())
    found: dict[str, Any] = {
        "tags": [tag],
        "operationId": _id(path, method),
        "summary": re.split(r"(?<=[.;:])\s", text, maxsplit=1)[0].rstrip(".;:"),
        "description": text.replace("``", "`"),
    }
    parameters = [_parameter(name, "path", _IN_PATH[name]) for name in _VARIABLE.findall(path)]
    parameters += [
        _parameter(each.name, "query", each.about, is_number=each.is_number) for each in QUERIES.get(work, ())
    ]
    if method == "POST" and path.endswith("/operations"):
        found["requestBody"] = _body({"$ref": "#/components/schemas/Order"})
        parameters.append(_parameter("Idempotency-Key", "header", "A text of yours: the same again asks nobody twice"))
    elif method == "POST" and path == "/api/firmware":
        found["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    elif work in FORMS:
        is_required = any(field.required for field in msgspec.structs.fields(FORMS[work]))
        found["requestBody"] = _body(refs[FORMS[work]], is_required=is_required)
    if parameters:
        found["parameters"] = parameters
    wrong = {"application/json": {"schema": {"$ref": "#/components/schemas/Wrong"}}}
    found["responses"] = {"2XX": {"description": "Done"}} | {
        status: {"description": meaning, "content": wrong} for status, meaning in _MEANING.items()
    }
    return found


def _id(path: str, method: str) -> str:
    words = re.sub(r"[^a-z]+", "_", path.removeprefix("/api/").lower()).strip("_")
    return f"{method.lower()}_{words}"


def _parameter(name: str, where: str, about: str, *, is_number: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": about,
        "schema": {"type": "integer" if is_number else "string"},
    }


def _body(schema: Any, *, is_required: bool = True) -> dict[str, Any]:
    return {"required": is_required, "content": {"application/json": {"schema": schema}}}
