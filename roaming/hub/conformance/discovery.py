"""Versions, version details and credentials of a platform: what it offers, and who is behind it.

(OCPI 2.2.1, version_information_endpoint; credentials; OCPI 2.1.1 the same without roles)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from roaming.hub.conformance.probing import Prober
from roaming.hub.conformance.report import Verdict
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.ocpi.codec import DecodeContext, DecodeError
from roaming.ocpi.credentials_token import TokenEncoding
from roaming.ocpi.habits import Habit, token_habit
from roaming.ocpi.module import OcpiModule
from roaming.ocpi.wire import finding_note

EXPECTED = {
    Role.EMSP: (
        ("locations", InterfaceRole.RECEIVER),
        ("sessions", InterfaceRole.RECEIVER),
        ("cdrs", InterfaceRole.RECEIVER),
        ("tokens", InterfaceRole.SENDER),
    ),
    Role.CPO: (
        ("locations", InterfaceRole.SENDER),
        ("sessions", InterfaceRole.SENDER),
        ("cdrs", InterfaceRole.SENDER),
        ("tokens", InterfaceRole.RECEIVER),
        ("commands", InterfaceRole.RECEIVER),
    ),
}
"""What a platform with a party in a role needs for a charge to go through."""
_FORMS: tuple[TokenEncoding, TokenEncoding] = ("base64", "raw")
_2_2 = "2.2"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a module at the platform."""

    module: str
    role: InterfaceRole | None
    """``None`` in 2.1.1, where both sides have one address."""
    url: str


async def find_versions(prober: Prober, url: str) -> Mapping[str, str] | None:
    """Addresses by version; ``None`` where the list cannot be had. Finds out the form of the token."""
    report = prober.report
    answer = await prober.get("versions", url)
    if answer.http_status == 401:
        first = prober.token_encoding
        prober.token_encoding = _FORMS[1] if first == _FORMS[0] else _FORMS[0]
        second = await prober.get("versions", url)
        if second.http_status is not None and 200 <= second.http_status <= 299:
            prober.habits.append(token_habit("GET", "versions", first, prober.token_encoding, second.http_status))
            answer = second
        else:
            prober.token_encoding = first
    if not prober.succeeded("versions", "GET versions", answer):
        return None
    if not report.expect("versions", "list", isinstance(answer.data, list), "data: expected a list"):
        return None
    offered: dict[str, str] = {}
    for index, entry in enumerate(answer.data):
        version = entry.get("version") if isinstance(entry, dict) else None
        address = entry.get("url") if isinstance(entry, dict) else None
        is_whole = isinstance(version, str) and isinstance(address, str)
        if report.expect("versions", "list", is_whole, f"data[{index}]: version and url are required"):
            detail = f"version {str(version)[:10]} is listed twice"
            report.expect("versions", "list", version not in offered, detail, otherwise=Verdict.WARN)
            offered[str(version)] = _on_scheme_of(prober, "versions", f"data[{index}].url", str(address), url)
    await prober.expect_refusal("versions", url)
    return offered


def choose(prober: Prober, offered: Mapping[str, str], wanted: Sequence[Version]) -> tuple[Version, str] | None:
    """The best version and its address; 2.2 stands for 2.2.1 where there is nothing better."""
    for version in wanted:
        if version.value in offered and (version > Version.V2_1_1 or _2_2 not in offered):
            prober.report.add("versions", "common version", Verdict.PASS, version.value)
            return version, offered[version.value]
    if _2_2 in offered and Version.V2_2_1 in wanted:
        why = f"GET versions: {', '.join(sorted(offered))}"
        prober.habits.append(Habit(name="version_2_2", value="offered", why=why))
        prober.report.add("versions", "common version", Verdict.WARN, "2.2 only, read as 2.2.1")
        return Version.V2_2_1, offered[_2_2]
    chosen = next((version for version in wanted if version.value in offered), None)
    if chosen is not None:
        prober.report.add("versions", "common version", Verdict.PASS, chosen.value)
        return chosen, offered[chosen.value]
    detail = f"offered: {', '.join(sorted(offered)) or 'nothing'}; known here: {', '.join(wanted)}"
    prober.report.add("versions", "common version", Verdict.FAIL, detail)
    return None


async def find_sides(prober: Prober, version: Version, url: str, known: frozenset[str]) -> list[Side] | None:
    """What the version's details list; ``None`` where they cannot be had. ``known``: module ids."""
    name, report = "version details", prober.report
    answer = await prober.get(name, url)
    if not prober.succeeded(name, "GET version details", answer):
        return None
    data = answer.data if isinstance(answer.data, dict) else {}
    is_named = data.get("version") in (version.value, *((_2_2,) if version == Version.V2_2_1 else ()))
    report.expect(name, "version", is_named, f"version: {str(data.get('version'))[:10]}, expected {version}")
    entries = data.get("endpoints")
    if not report.expect(name, "endpoints", isinstance(entries, list), "endpoints: expected a list"):
        return None
    assert isinstance(entries, list)
    sides: list[Side] = []
    for index, entry in enumerate(entries):
        side = _side(prober, version, f"endpoints[{index}]", entry, url)
        if side is None:
            continue
        is_double = any((other.module, other.role) == (side.module, side.role) for other in sides)
        if report.expect(name, "endpoints", not is_double, f"{_named(side)}: listed twice", otherwise=Verdict.WARN):
            sides.append(side)
        report.expect(
            name, "endpoints", side.module in known, f"{side.module[:40]}: no module of OCPI", otherwise=Verdict.WARN
        )
    has_credentials = any(side.module == "credentials" for side in sides)
    report.expect(name, "credentials", has_credentials, "no credentials endpoint is listed")
    return sides


def _side(prober: Prober, version: Version, path: str, entry: Any, url: str) -> Side | None:
    name, report = "version details", prober.report
    module = entry.get("identifier") if isinstance(entry, dict) else None
    address = entry.get("url") if isinstance(entry, dict) else None
    if not isinstance(module, str) or not isinstance(address, str):
        report.add(name, "endpoints", Verdict.FAIL, f"{path}: identifier and url are required")
        return None
    address = _on_scheme_of(prober, name, f"{path}.url", address, url)
    if version == Version.V2_1_1:
        return Side(module=module, role=None, url=address)
    role = str(entry.get("role"))
    is_known = role in InterfaceRole.__members__
    report.expect(name, "endpoints", is_known, f"{path}.role: {role[:20]}, expected SENDER or RECEIVER")
    return Side(module=module, role=InterfaceRole(role), url=address) if is_known else None


def _on_scheme_of(prober: Prober, module: str, path: str, address: str, url: str) -> str:
    """``address`` with the scheme that answers on its host, where it names another one."""
    try:
        there, here = urlsplit(address), urlsplit(url)
    except ValueError:
        return address
    is_same_host = there.netloc.lower() == here.netloc.lower()
    if is_same_host and there.scheme != here.scheme:
        detail = f"{path}: {there.scheme}, answered over {here.scheme}"
        prober.report.add(module, "addresses", Verdict.FAIL, detail)
        return urlunsplit((here.scheme, *there[1:]))
    is_absolute = bool(there.scheme and there.netloc)
    prober.report.expect(module, "addresses", is_absolute, f"{path}: expected an absolute address")
    if is_absolute and not is_same_host:
        prober.report.add(module, "addresses", Verdict.WARN, f"{path}: on another host, {there.netloc[:80]}")
    return address


async def find_parties(
    prober: Prober, version: Version, url: str, module: OcpiModule, sides: Sequence[Side]
) -> tuple[tuple[PartyId, str], ...]:
    """The parties behind the platform, each with its role, and whether it has what they need."""
    name, report = "credentials", prober.report
    answer = await prober.get(name, url)
    if not prober.succeeded(name, "GET credentials", answer):
        return ()
    codec = next(
        codec
        for route in module.routes
        if route.method == "GET" and route.gives is not None and (codec := route.gives.codec(version, {})) is not None
    )
    try:
        decoded = codec.decode(answer.data, context=DecodeContext(role=Role.OTHER))
    except DecodeError as error:
        report.add(name, "fields", Verdict.FAIL, str(error))
        return ()
    for finding in decoded.findings:
        report.add(name, "fields", Verdict.WARN, finding_note(finding).removeprefix("tolerated "))
    report.expect(name, "fields", True, "")
    parties = tuple((PartyId.of(role.country_code, role.party_id), role.role) for role in decoded.value.roles)
    if version == Version.V2_1_1:
        return parties
    report.expect(name, "roles", bool(parties), "roles: one entry at least is due")
    offered = {(side.module, side.role) for side in sides}
    for role in dict.fromkeys(role for _, role in parties):
        for needed in EXPECTED.get(Role(role) if role in Role.__members__ else Role.OTHER, ()):
            detail = f"{role} without {needed[0]} {needed[1]}"
            report.expect("version details", "modules", needed in offered, detail, otherwise=Verdict.WARN)
    return parties


def _named(side: Side) -> str:
    return f"{side.module[:40]} {side.role or ''}".rstrip()
