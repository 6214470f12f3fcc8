"""The whole check of a platform, from its versions to the fields of its objects. Sends nothing but GET."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roaming.hub.conformance import discovery
from roaming.hub.conformance.discovery import Side
from roaming.hub.conformance.lists import ListSide, check_list
from roaming.hub.conformance.probing import Prober
from roaming.hub.conformance.report import Report, Tell, Verdict
from roaming.hub.conformance.singles import check_own, check_receiver
from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.module import OcpiModule, Route
from roaming.ocpi.switches import BY_NAME

_ID_FIELDS = {"tokens": ("uid",), "hubclientinfo": (), "payments /terminals": ("terminal_id",)}
"""By module, and path of the list where it has one; else ``id``."""
_FOR_OTHERS = frozenset({"hubclientinfo", "payments"})
"""Their objects name other parties than their owner."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """How far a check goes."""

    versions: Sequence[Version] = tuple(Version)
    """Of these the best that the platform has."""
    page_size: int = 10
    pages: int = 5
    """Of each list, at most."""


async def check_platform(prober: Prober, url: str, modules: Sequence[OcpiModule], wishes: Wishes, tell: Tell) -> Report:
    """Checks the platform whose versions are at ``url``. Never raises for what it does."""
    report = prober.report
    offered = await discovery.find_versions(prober, url)
    _tell(report, "versions", tell)
    chosen = discovery.choose(prober, offered, sorted(wishes.versions, reverse=True)) if offered else None
    if chosen is not None:
        version, details_url = chosen
        prober.version, report.version = version, version.value
        by_id = {module.id: module for module in modules}
        sides = await discovery.find_sides(prober, version, details_url, frozenset(by_id))
        await _check_modules(prober, version, sides or [], by_id, wishes, tell)
    _report_dialect(prober)
    return report


async def _check_modules(
    prober: Prober,
    version: Version,
    sides: Sequence[Side],
    modules: Mapping[str, OcpiModule],
    wishes: Wishes,
    tell: Tell,
) -> None:
    credentials = next((side for side in sides if side.module == "credentials"), None)
    parties: Sequence[tuple[PartyId, str]] = ()
    if credentials is not None:
        parties = await discovery.find_parties(prober, version, credentials.url, modules["credentials"], sides)
    _tell(prober.report, "version details", tell)
    _tell(prober.report, "credentials", tell)
    for name in dict.fromkeys(side.module for side in sides):
        module = modules.get(name)
        if module is None or module.id in ("credentials", "versions"):
            continue
        for side in sides:
            if side.module == name:
                await _check_side(prober, version, side, module, parties, wishes)
        _tell(prober.report, name, tell)


async def _check_side(
    prober: Prober,
    version: Version,
    side: Side,
    module: OcpiModule,
    parties: Sequence[tuple[PartyId, str]],
    wishes: Wishes,
) -> None:
    """Both sides of a module of 2.1.1, which have one address; else the one that it is."""
    before = len(prober.report.checks)
    prober.to_party = _addressee(module, side, parties)
    gets = [route for route in module.routes if route.method == "GET" and version in route.versions]
    lists = [route for route in gets if route.gives is not None and route.gives.is_list]
    if side.role in (None, InterfaceRole.SENDER):
        for route in lists:
            await _check_list(prober, version, side, route, gets, parties, wishes)
    theirs = [route for route in gets if route.interface is InterfaceRole.RECEIVER and "{country_code}" in route.path]
    if side.role is InterfaceRole.RECEIVER and theirs and prober.from_party is not None:
        depth = min(route.path.count("/") for route in theirs)
        await check_receiver(prober, side.module, side.url, depth, prober.from_party)
    if len(prober.report.checks) == before:
        named = f"{side.module} {side.role or ''}".rstrip()
        prober.report.add(side.module, "offered", Verdict.PASS, f"{named}: nothing in it can be read")


async def _check_list(
    prober: Prober,
    version: Version,
    side: Side,
    route: Route,
    gets: Sequence[Route],
    parties: Sequence[tuple[PartyId, str]],
    wishes: Wishes,
) -> None:
    codec = route.gives.codec(version, {}) if route.gives is not None else None
    if codec is None:
        return
    is_for_others = side.module in _FOR_OTHERS or any(role == "HUB" for _, role in parties)
    listed_side = ListSide(
        module=side.module,
        url=side.url.rstrip("/") + route.path if route.path else side.url,
        codec=codec,
        parties=() if is_for_others else tuple(dict.fromkeys(party for party, _ in parties)),
        id_fields=_ID_FIELDS.get(f"{side.module} {route.path}".rstrip(), ("id",)),
    )
    listed = await check_list(prober, listed_side, page_size=wishes.page_size, pages=wishes.pages)
    own = [get for get in gets if get.interface is InterfaceRole.SENDER and get.path.startswith(f"{route.path}/{{")]
    codecs: list[Codec[Any]] = [
        found for get in own if get.gives is not None and (found := get.gives.codec(version, {})) is not None
    ]
    if codecs:
        await check_own(prober, listed_side, listed.items, codecs, prober.clock.now())


def _addressee(module: OcpiModule, side: Side, parties: Sequence[tuple[PartyId, str]]) -> PartyId | None:
    """Whom a request to this side is for: a party in the role that has it, or the only one."""
    role = module.sender_role
    is_theirs = side.role is not InterfaceRole.RECEIVER
    found = [party for party, has in parties if (has == role) == is_theirs and has != "HUB"]
    return next(iter([*found, *(party for party, _ in parties)]), None)


def _report_dialect(prober: Prober) -> None:
    """What the traffic showed, by switch, with what the hub would do about it."""
    for habit in {habit.name: habit for habit in prober.habits}.values():
        switch = BY_NAME[habit.name]
        prober.report.add("dialect", habit.name, Verdict.WARN, f"{habit.why}: {habit.name}={habit.value}")
        prober.report.add("dialect", habit.name, Verdict.PASS, "" if switch.is_applied else "to be set by hand")


def _tell(report: Report, module: str, tell: Tell) -> None:
    counts = report.modules().get(module)
    if counts is not None:
        tell(f"{module}: " + ", ".join(f"{count} {verdict.lower()}" for verdict, count in counts.items()))
