"""The OpenAPI document of one OCPI version, made from the modules' routes and the codecs' tables.

Pure: modules and examples in, a document out. Examples are handed in, since their bodies lie outside the package.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.ocpi import headers, paging
from roaming.ocpi.content import Content
from roaming.ocpi.errors import (
    HeadTooLarge,
    MethodNotAllowed,
    NotFound,
    NotJson,
    OcpiError,
    TooLarge,
    TooManyAttempts,
    TooSlow,
    Unauthorized,
    Unavailable,
    code_in_2_1_1,
)
from roaming.ocpi.json_schema import Schema, Schemas
from roaming.ocpi.module import OcpiModule, Route, module_path

Examples = Mapping[str, Mapping[str, Any]]
"""Bodies by object and name of the case: ``{"CDR": {"credit": {...}}}``; of PATCHes under ``"CDRChanges"``."""

_VARIABLE = re.compile(r"\{(\w+)\}")
_NARROWED: dict[type[OcpiError], tuple[int, ...]] = {NotFound: (2001, 2003)}
"""Codes that an error may be given instead of its own (``OcpiError.status_code``)."""
_MOST_ANSWERS = 2
"""Examples of an answer: its objects are those of the requests."""
_MOMENT = "2026-11-28T12:00:00Z"


@dataclass(frozen=True, slots=True)
class _Side:
    """One route of one module."""

    module: OcpiModule
    route: Route
    path: str

    @property
    def shape(self) -> str:
        """The path without the names of its variables: two routes of one shape are one address."""
        return _VARIABLE.sub("{}", self.path)

    @property
    def order(self) -> tuple[str, str, bool]:
        return self.shape, self.route.method, self.route.interface is InterfaceRole.SENDER


def document(
    version: Version, modules: Sequence[OcpiModule], *, release: str, about: Mapping[str, str], examples: Examples
) -> dict[str, Any]:
    """The document. ``release``: the version of this hub; ``about``: a sentence on each module, by id.

    Raises ``ValueError`` naming a route that does not declare its bodies.
    """
    making = _Making(version, examples)
    sides = sorted(_sides(version, modules), key=lambda side: side.order)
    paths: dict[str, Any] = {}
    for _shape, at_one_address in groupby(sides, key=lambda side: side.shape):
        several = list(at_one_address)
        # In 2.1.1 both sides of a module share addresses; the receiver's names are the telling ones
        path = next((side.path for side in several if side.route.interface is InterfaceRole.RECEIVER), several[0].path)
        paths[path] = {
            method.lower(): making.operation(path, list(same_method))
            for method, same_method in groupby(several, key=lambda side: side.route.method)
        }
    names = sorted({side.module.id for side in sides})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"OCPI {version} of this hub",
            "version": release,
            "description": (
                "What partners call. Every answer has the OCPI envelope; its status_code says whether the request "
                "succeeded, on any HTTP status: that of another party, where the hub passed the request on to it. "
                "Unknown fields are kept and passed on, unknown words of a list too."
            ),
        },
        "servers": [{"url": "/ocpi", "description": "below the public address of the hub"}],
        "security": [{"CredentialsToken": []}],
        "tags": [{"name": name, "description": about.get(name, name)} for name in names],
        "paths": paths,
        "components": {
            "securitySchemes": {"CredentialsToken": making.security()},
            "headers": _headers(version),
            "responses": making.refusals(),
            "schemas": dict(sorted(making.schemas.components.items())) | making.failures(),
        },
    }


def _sides(version: Version, modules: Iterable[OcpiModule]) -> Iterator[_Side]:
    for module in modules:
        if version in module.versions:
            for route in module.routes:
                if version in route.versions:
                    base = "" if module.id == "versions" else module_path(version, module, route.interface)
                    path = base + route.path.replace("{ocpi_version}", version)
                    yield _Side(module, route, path)


@dataclass
class _Making:
    """One document in the making."""

    version: Version
    examples: Examples
    schemas: Schemas = field(default_factory=Schemas)

    @property
    def has_routing(self) -> bool:
        return self.version != Version.V2_1_1

    def operation(self, path: str, sides: Sequence[_Side]) -> dict[str, Any]:
        """One method of one address; of two sides the caller's parties decide which is meant."""
        module, route = sides[0].module, sides[0].route
        for side in sides:
            if (side.route.method in ("PUT", "POST", "PATCH")) != (side.route.takes is not None) or (
                side.route.method == "GET" and side.route.gives is None
            ):
                raise ValueError(f"{route.method} {path} does not declare what it takes or gives: see Route")
        operation: dict[str, Any] = {
            "operationId": re.sub(r"\W+", "_", route.method.lower() + path.replace(f"/{self.version}", "/") or ""),
            "tags": [module.id],
            "summary": "; or: ".join(side.route.summary for side in sides),
            "parameters": self._parameters(path, module, route),
        }
        if not module.is_configuration and self.has_routing:
            operation["description"] = f"Interface: {route.interface.capitalize()}."
        if route.takes is not None:
            operation["requestBody"] = self._request_body(route.takes)
        operation["responses"] = self._responses(path, module, sides)
        return operation

    def _parameters(self, path: str, module: OcpiModule, route: Route) -> list[dict[str, Any]]:
        known = {entry.name: entry for entry in route.parameters if self.version in entry.versions}
        variables = _VARIABLE.findall(path)
        found: list[dict[str, Any]] = []
        for name in variables:
            schema = self.schemas.of_kind(known[name].kind) if name in known else _path_schema(name)
            found.append({"name": name, "in": "path", "required": True, "schema": schema})
            if name in known:
                found[-1]["description"] = known[name].description
        found += [
            {
                "name": name,
                "in": "query",
                "description": entry.description,
                "schema": self.schemas.of_kind(entry.kind),
            }
            for name, entry in known.items()
            if name not in variables
        ]
        if route.gives is not None and route.gives.is_list:
            found += _PAGE
        if self.has_routing:
            found += [_header(headers.REQUEST_ID, "One request."), _header(headers.CORRELATION_ID, "A chain of them.")]
            if not module.is_configuration:
                found += [_header(name, text, _PARTY_PARTS[name]) for name, text in _ROUTING.items()]
        return found

    def _request_body(self, content: Content) -> dict[str, Any]:
        media: dict[str, Any] = {"schema": self._schema(content)}
        if shown := self._examples(content):
            media["examples"] = {name: {"value": value} for name, value in shown.items()}
        return {"required": content.is_required, "content": {"application/json": media}}

    def _responses(self, path: str, module: OcpiModule, sides: Sequence[_Side]) -> dict[str, Any]:
        route = sides[0].route
        contents = [side.route.gives for side in sides if side.route.gives is not None]
        own = [] if not self.has_routing else [headers.REQUEST_ID, headers.CORRELATION_ID]
        if own and not module.is_configuration:
            own += headers.ROUTING_HEADERS
        listed = [paging.LINK, paging.TOTAL_COUNT, paging.LIMIT] if any(entry.is_list for entry in contents) else []
        found: dict[str, Any] = {}
        for status in sorted({status for side in sides for status in side.route.successes}):
            failures = [{"$ref": "#/components/schemas/Failure"}] if status == 200 else []
            success = self._success(contents)
            found[str(status)] = {
                "description": "Success, or a refusal: see status_code." if failures else "Success: it is new here.",
                "headers": {name: _reference(name) for name in (*own, *listed, *route.response_headers)},
                "content": {
                    "application/json": {
                        "schema": {"anyOf": [success, *failures]} if failures else success,
                        "examples": self._answers(contents) | (_FAILED if failures else {}),
                    }
                },
            }
        if "200" not in found:
            found["200"] = {"$ref": "#/components/responses/OcpiError"}
        for error in self._refusals(path, module, sides):
            found[str(error.http_status)] = {"$ref": f"#/components/responses/{error.__name__}"}
        return dict(sorted(found.items()))

    def _refusals(self, path: str, module: OcpiModule, sides: Sequence[_Side]) -> list[type[OcpiError]]:
        """The errors with an HTTP status of their own that can come."""
        found: list[type[OcpiError]] = [Unauthorized, TooManyAttempts, Unavailable, *_BEFORE_ALL_ELSE]
        if any(side.route.takes is not None for side in sides):
            found.append(TooLarge)
        if _VARIABLE.search(path) or not module.is_configuration:  # what is passed on may be unknown at the far side
            found.append(NotFound)
        wanted = {status for side in sides for status in side.route.refusals}
        return found + [error for error in (NotFound, MethodNotAllowed) if error.http_status in wanted]

    def refusals(self) -> dict[str, Any]:
        """The answers that say no, by the name of their error."""
        ids = (headers.REQUEST_ID, headers.CORRELATION_ID) if self.has_routing else ()
        return {
            error.__name__: {
                "description": reason,
                "headers": {
                    name: _reference(name)
                    for name in (*(() if error in (TooSlow, HeadTooLarge) else ids), *_MORE_HEADERS.get(error, ()))
                },
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{_failure_name(error)}"}}},
            }
            for error, reason in _REASONS.items()
        }

    def _success(self, contents: Sequence[Content]) -> Schema:
        properties: dict[str, Schema] = {
            "status_code": {"const": 1000},
            "status_message": {"type": "string"},
            "timestamp": {"type": "string", "format": "date-time"},
        }
        required = ["status_code", "timestamp"]
        if contents:
            several = [self._schema(content) for content in contents]
            properties["data"] = several[0] if len(several) == 1 else {"anyOf": several}
            required.append("data")
        return {"type": "object", "required": required, "properties": properties}

    def _schema(self, content: Content) -> Schema:
        if content.schema is not None:
            return dict(content.schema)
        forms = content.forms.get(self.version, ())
        if not forms:
            raise ValueError(f"a content has no table for {self.version}")
        several = [self.schemas.of_form(form, is_partial=content.is_partial) for form in forms]
        schema = several[0] if len(several) == 1 else {"anyOf": several}
        return {"type": "array", "items": schema} if content.is_list else schema

    def _examples(self, content: Content) -> dict[str, Any]:
        """Bodies by the name of the case."""
        if content.schema is not None:
            return {} if content.example is None else {"example": content.example}
        found: dict[str, Any] = {}
        for form in content.forms.get(self.version, ()):
            name = form.of.__name__ + ("Changes" if content.is_partial else "")
            for case, body in self.examples.get(name, {}).items():
                found[case] = [body] if content.is_list else body
        return found

    def _answers(self, contents: Sequence[Content]) -> dict[str, Any]:
        around = {"status_code": 1000, "status_message": "Success", "timestamp": _MOMENT}
        if not contents:
            return {"success": {"value": around}}
        bodies = {name: body for content in contents for name, body in self._examples(content).items()}
        return {name: {"value": {"data": body} | around} for name, body in [*bodies.items()][:_MOST_ANSWERS]}

    def security(self) -> dict[str, Any]:
        """How callers identify themselves."""
        written = "as it is" if self.version == Version.V2_1_1 else "encoded with Base64"
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f"`Token ` and the credentials token, {written}. The hub takes both spellings.",
        }

    def failures(self) -> dict[str, Schema]:
        """The envelopes without data: by HTTP status the codes that this version can send."""
        by_status: dict[int, set[int]] = {}
        for error in _all_errors(OcpiError):
            codes = {error.status_code, *_NARROWED.get(error, ())}
            if self.version == Version.V2_1_1:
                codes = {code_in_2_1_1(code) for code in codes}
            by_status.setdefault(error.http_status, set()).update(codes)
        return {_failure_name(error): _failure_schema(sorted(by_status[error.http_status])) for error in _REASONS}


def _failure_name(error: type[OcpiError]) -> str:
    return "Failure" if error.http_status == 200 else f"Failure{error.http_status}"


def _all_errors(parent: type[OcpiError]) -> Iterator[type[OcpiError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from _all_errors(child)


def _failure_schema(codes: Sequence[int]) -> Schema:
    return {
        "type": "object",
        "required": ["status_code", "status_message", "timestamp"],
        "properties": {
            "status_code": {"enum": list(codes)},
            "status_message": {"type": "string", "description": "For people: names the field and what to do."},
            "timestamp": {"type": "string", "format": "date-time"},
        },
    }


def _path_schema(name: str) -> Schema:
    lengths = {"country_code": (2, 2), "party_id": (3, 3)}
    shortest, longest = lengths.get(name, (1, 39))
    return {"type": "string", "minLength": shortest, "maxLength": longest, "pattern": "^[ -~]+$"}


def _header(name: str, description: str, schema: Schema | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "description": description,
        "schema": schema or {"type": "string", "minLength": 1, "maxLength": 36, "pattern": "^[!-~]+$"},
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _headers(version: Version) -> dict[str, Any]:
    """What answers carry, by name."""
    text = {"type": "string"}
    found = {
        paging.LINK: "The next page, when there is one: follow it as it is.",
        paging.TOTAL_COUNT: "Objects that match and that you may see.",
        paging.LIMIT: "The most objects of a page.",
        "Location": "Where the object can be read.",
        "Retry-After": "Seconds after which to try again.",
        "Allow": "The methods offered here.",
        "WWW-Authenticate": "How to identify yourself: Token.",
    }
    if version != Version.V2_1_1:
        found[headers.REQUEST_ID] = "That of the request."
        found[headers.CORRELATION_ID] = "That of the request."
        found |= dict.fromkeys(headers.ROUTING_HEADERS, "The request's, with from and to exchanged.")
    whole = {paging.TOTAL_COUNT, paging.LIMIT, "Retry-After"}
    return {
        name: {"description": text_, "schema": {"type": "integer"} if name in whole else text}
        for name, text_ in sorted(found.items())
    }


_ROUTING = {
    headers.FROM_COUNTRY_CODE: "The party that asks; all parties of your credentials when left out.",
    headers.FROM_PARTY_ID: "Goes with the country code.",
    headers.TO_COUNTRY_CODE: "The party that is asked; this hub itself when left out.",
    headers.TO_PARTY_ID: "Goes with the country code.",
}
_COUNTRY: Schema = {"type": "string", "pattern": "^[A-Za-z0-9]{2}$"}
_PARTY: Schema = {"type": "string", "pattern": "^[A-Za-z0-9]{3}$"}
_PARTY_PARTS = {name: _COUNTRY if "country" in name else _PARTY for name in headers.ROUTING_HEADERS}
_TIME: Schema = {"type": "string", "format": "date-time"}
_PAGE: list[dict[str, Any]] = [
    {"name": "date_from", "in": "query", "description": "last_updated from here on.", "schema": _TIME},
    {"name": "date_to", "in": "query", "description": "last_updated before this.", "schema": _TIME},
    {
        "name": "offset",
        "in": "query",
        "description": "Objects to skip; better follow Link.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 10**15 - 1},
    },
    {
        "name": "limit",
        "in": "query",
        "description": "Objects of a page, at most X-Limit.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**15 - 1},
    },
]
_BEFORE_ALL_ELSE: tuple[type[OcpiError], ...] = (NotJson, TooSlow, HeadTooLarge)
"""What a server can say before it knows what is asked."""
_REASONS: dict[type[OcpiError], str] = {
    OcpiError: "Refused: see status_code.",
    NotJson: "The body is not JSON, or the request is no HTTP that can be read in one way only.",
    Unauthorized: "No credentials token, or one that does not work here.",
    NotFound: "No such object, or none of yours.",
    MethodNotAllowed: "Not in your state: register first, or you are registered already.",
    TooSlow: "The request did not arrive in time; the connection is closed.",
    TooLarge: "The body is over our limit of 1 MiB, or of 50,000 objects and lists.",
    HeadTooLarge: "Address and headers are over our limit of 32 KiB or 100 headers; the connection is closed.",
    TooManyAttempts: "Too many unknown credentials tokens from your address, or too many commands of your party.",
    Unavailable: "The hub cannot store anything at the moment; nothing was saved.",
}
_MORE_HEADERS: dict[type[OcpiError], tuple[str, ...]] = {
    Unauthorized: ("WWW-Authenticate",),
    TooManyAttempts: ("Retry-After",),
    Unavailable: ("Retry-After",),
    MethodNotAllowed: ("Allow",),
}
_FAILED: dict[str, Any] = {
    "refused": {
        "value": {"status_code": 2001, "status_message": "last_updated: required", "timestamp": _MOMENT},
    }
}
