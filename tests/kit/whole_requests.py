"""Requests as a partner should send them, made from the routes and the examples of the OpenAPI documents: a new route
comes in by itself.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from roaming.model.party import Role
from tests.kit.fuzzing import Sent, filled
from tests.kit.routes import Endpoint, documented_bodies

OF_THE_HUB = {
    "location_id": "OURS",
    "evse_uid": "OURS-1",
    "connector_id": "1",
    "session_id": "OURS-AAA",
    "token_uid": "HOME1",
    "command": "START_SESSION",
}
"""What ``HubInProcess.host_objects`` leaves."""
_TEXTS = {"name", "address", "remark", "issuer", "visual_number", "meter_id", "reason"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Author:
    """Who sends. ``driver_of``: the eMSP whose drivers its sessions and CDRs are about."""

    partner: str
    party: str
    role: Role
    driver_of: str = "DE-AAA"
    ids: Mapping[str, str] = field(default_factory=lambda: OF_THE_HUB)
    """By variable of an address, where it is about what is not the author's."""
    mark: str = ""
    """Stands before the ids, and with a space before the texts, of all that is the author's."""

    def may(self, endpoint: Endpoint) -> bool:
        """Whether one of its role has anything to say there: addresses with a party are for its side of the module."""
        is_theirs = "{country_code}" in endpoint.path and not endpoint.module.is_configuration
        return self.role is endpoint.module.sender_role or not is_theirs


def whole_requests(endpoints: Sequence[Endpoint], author: Author) -> list[Sent]:
    """Those that make something first."""
    examples = {
        endpoint: [_by(author, body) for body in documented_bodies(endpoint)]
        for endpoint in endpoints
        if author.may(endpoint)
    }
    made: dict[tuple[str, str], str] = {}  # by version and variable: the id of an object that a PUT makes
    for endpoint, bodies in examples.items():
        variable = _last_variable(endpoint)
        if endpoint.route.method == "PUT" and bodies and variable not in ("country_code", "party_id"):
            made[endpoint.version, variable] = id_of(bodies[0]) or author.ids.get(variable, "1")
    country_code, party_id = author.party.split("-")
    found = []
    for endpoint, bodies in examples.items():
        is_own = "{country_code}" in endpoint.path
        ids = dict(author.ids) | {"country_code": country_code, "party_id": party_id}
        if is_own:
            ids |= {variable: id for (version, variable), id in made.items() if version == endpoint.version}
        for body in bodies or [None]:
            here = ids | {_last_variable(endpoint): str(id_of(body))} if is_own and id_of(body) else ids
            content = b"" if body is None else json.dumps(body).encode()
            path = filled("/ocpi" + endpoint.path, here)
            found.append(Sent(partner=author.partner, method=endpoint.route.method, path=path, body=content))
    return sorted(found, key=lambda sent: (sent.method != "PUT", b"/tokens/" not in sent.path, len(sent.path)))


def id_of(body: Any) -> str | None:
    """What the last segment of its address says."""
    return body.get("uid") or body.get("id") if isinstance(body, dict) else None


def _last_variable(endpoint: Endpoint) -> str:
    return endpoint.path.rpartition("/")[2].strip("{}")


def _by(author: Author, body: Any) -> Any:
    """An example as the author would send it: its party, its hosts, its mark."""
    emsp = author.party if author.role is Role.EMSP else author.driver_of
    country_code, party_id = emsp.split("-")
    text = json.dumps(body).replace("NL-RYN", emsp).replace("NLRYN", emsp.replace("-", ""))
    text = text.replace('"NL", "party_id": "RYN"', f'"{country_code}", "party_id": "{party_id}"')
    body = json.loads(re.sub(r"https?://[^/\"]+", "http://127.0.0.1:9", text))
    if isinstance(body, dict):
        for name, value in zip(("country_code", "party_id"), author.party.split("-"), strict=True):
            if name in body:
                body[name] = value
        if author.role is Role.EMSP:
            body |= {name: id for name, id in author.ids.items() if name in body}
    return _marked(body, author.mark) if author.mark else body


def _marked(value: Any, mark: str, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _marked(entry, mark, key) for key, entry in value.items()}
    if isinstance(value, list):
        return [_marked(entry, mark) for entry in value]
    if isinstance(value, str) and name in ("id", "uid") and value not in OF_THE_HUB.values():
        return f"{mark}-{value}"[:36]
    return f"{mark} {value}" if isinstance(value, str) and name in _TEXTS else value
