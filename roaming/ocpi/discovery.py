"""Versions and version details, as JSON of either side. (OCPI 2.2.1, version_information_endpoint)

Read leniently: entries that are no objects or lack a text are left out. Knows nothing of HTTP.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.partners.directory import Endpoint


def read_versions(data: Any) -> dict[str, str] | None:
    """Name of each version offered → address of its details; ``None`` when ``data`` is no list."""
    if not isinstance(data, list):
        return None
    return {str(entry.get("version")): entry["url"] for entry in _with_url(data)}


def write_versions(offered: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"version": version, "url": url} for version, url in offered.items()]


def read_endpoints(data: Any, version: Version) -> tuple[Endpoint, ...]:
    """Modules and sides of version details. 2.1.1 gives a module one address for both sides; from 2.2 on an entry
    without a role counts as SENDER, and one with a role of its own invention is left out."""
    found: list[Endpoint] = []
    entries = data.get("endpoints") if isinstance(data, dict) else None
    for entry in _with_url(entries):
        module, named = entry.get("identifier"), str(entry.get("role") or "SENDER").upper()
        sides = tuple(InterfaceRole) if version == Version.V2_1_1 else (named,)
        if isinstance(module, str):
            found += [
                Endpoint(module=module, role=InterfaceRole(side), url=entry["url"])
                for side in sides
                if side in InterfaceRole.__members__
            ]
    return tuple(found)


def write_details(name: str, version: Version, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Version details under ``name``, which may be that of a predecessor. In 2.1.1 each module once, without a role."""
    entries: dict[tuple[str, str], dict[str, str]] = {}
    for endpoint in endpoints:
        if version == Version.V2_1_1:
            entries[endpoint.module, ""] = {"identifier": endpoint.module, "url": endpoint.url}
        else:
            entry = {"identifier": endpoint.module, "role": endpoint.role.value, "url": endpoint.url}
            entries[endpoint.module, endpoint.role] = entry
    return {"version": name, "endpoints": list(entries.values())}


def _with_url(entries: Any) -> list[dict[str, Any]]:
    """Those entries that are objects with an address."""
    found = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [entry for entry in found if isinstance(entry.get("url"), str) and entry["url"]]
