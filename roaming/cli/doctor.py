"""What is wrong with this installation, and what to do about it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from roaming.app import open_services
from roaming.billing.to_do import count_to_do
from roaming.cli.places import find_unplaced, options_for
from roaming.model.location import Location
from roaming.modules.cdrs.reconciling import LOOK_BACK, find_missing
from roaming.modules.sessions.late import count_unbilled, count_without_readings
from roaming.modules.sessions.repository import HeldCharges, find_held
from roaming.partners.presence import silent_since, state_of
from roaming.settings import Settings
from roaming.stations.certificates import Certificate, ending
from roaming.store.errors import StoreUnavailable
from roaming.store.revisions import current, head

Finding = dict[str, Any]
NAMED = 5
WARNED_DAYS = 30
"""Stations themselves request another a month before (OCPP 1.6 security white paper, A03)."""


def _finding(check: str, state: str, detail: str, fix: str = "") -> Finding:
    return {"check": check, "state": state, "detail": detail, "fix": fix}


async def examine() -> list[Finding]:
    """Every check, whatever the others say."""
    settings = Settings()
    checks: list[Callable[[Settings], Awaitable[list[Finding]]]] = [_settings, _database, _bus, _hub, _billing]
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += await check(settings)
        except Exception as error:
            findings.append(_finding(check.__name__.strip("_"), "fail", f"{type(error).__name__}: {error}"))
    return findings


async def _settings(settings: Settings) -> list[Finding]:
    shape = "embedded" if settings.is_embedded else "scaled"
    found = [_finding("shape", "ok", shape)]
    url = urlsplit(settings.effective_public_url)
    is_local = url.hostname in ("127.0.0.1", "localhost", "::1")
    if is_local:
        found.append(
            _finding("public address", "warn", settings.effective_public_url, "set ROAMING_PUBLIC_URL before partners")
        )
    elif url.scheme != "https":
        found.append(_finding("public address", "warn", settings.effective_public_url, "OCPI asks for https"))
    else:
        found.append(_finding("public address", "ok", settings.effective_public_url))
    if not settings.secret and not settings.is_embedded:
        found.append(_finding("secret", "warn", "made per machine", "set ROAMING_SECRET to the same on every machine"))
    else:
        found.append(_finding("secret", "ok", "set" if settings.secret else "kept in the data directory"))
    return found


def _is_absent(url: str) -> bool:
    return url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).exists()


async def _database(settings: Settings) -> list[Finding]:
    url = settings.effective_database_url
    if _is_absent(url):
        return [_finding("database", "warn", "does not exist yet", "roaming start, or roaming db upgrade")]
    revision = await current(url)
    if revision != head():
        return [_finding("database", "fail", f"at {revision or 'nothing'}", "roaming db upgrade")]
    return [_finding("database", "ok", f"at {revision}")]


async def _bus(settings: Settings) -> list[Finding]:
    if not settings.kafka_bootstrap:
        return [_finding("bus", "ok", "in this process")]
    host, _, port = settings.kafka_bootstrap.split(",")[0].rpartition(":")
    try:
        async with asyncio.timeout(3):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
        return [_finding("bus", "ok", settings.kafka_bootstrap)]
    except (OSError, TimeoutError, ValueError):
        pass
    return [_finding("bus", "fail", f"{settings.kafka_bootstrap} does not answer", "start the broker, check the port")]


def _without_cdr(keys: list[str]) -> Finding:
    """Names some of the sessions that are over and have no CDR."""
    if not keys:
        return _finding("sessions without a CDR", "ok", "0")
    named = ", ".join(keys[:NAMED]) + (", …" if len(keys) > NAMED else "")
    fix = "look for session_without_cdr in the log of the worker, which says why and tries again"
    return _finding("sessions without a CDR", "fail", f"{len(keys)}: {named}", fix)


def _without_place(locations: list[Location]) -> Finding:
    """Locations that partners may not see, or see at an address that nobody gave."""
    if not locations:
        return _finding("locations without an address", "ok", "0")
    named = ", ".join(location.id for location in locations[:NAMED]) + (", …" if len(locations) > NAMED else "")
    detail = f"{len(locations)}, not published: {named}"
    return _finding("locations without an address", "warn", detail, options_for(locations[0]))


def _held(held: HeldCharges) -> list[Finding]:
    """Charges that are not billed as things stand, with the first reason."""
    mend = "correct the location or the station's clock; each is tried again by itself"
    bind = "roaming station bind, or have the driver's eMSP send the token; each is tried again by itself"
    lost = "roaming station bind, then roaming session retry"
    found = []
    for name, number, reason, fix in (
        ("charges that cannot be priced", held.unpriced, held.unpriced_reason, mend),
        ("charges that cannot be closed", held.unclosed, held.unclosed_reason, mend),
        ("charges without a place or a driver", held.unplaced, held.unplaced_reason, bind),
        ("charges whose end is missing", held.silent, "", "look at their stations: nothing was heard for a day"),
        ("charges whose start is missing", held.without_start, "", "bill them by hand: see the journal of the station"),
        ("charges given up", held.given_up, "", lost),
    ):
        detail = f"{number}: {reason}" if reason else str(number)
        found.append(_finding(name, "warn" if number else "ok", detail, fix if number else ""))
    return found


async def _billing(settings: Settings) -> list[Finding]:
    """What waits for a person before it is paid."""
    if _is_absent(settings.effective_database_url):
        return []
    async with open_services(settings) as services:
        try:
            found = await count_to_do(services.database.reader, now=services.clock.now())
        except StoreUnavailable as error:
            return [_finding("billing", "fail", str(error), "start the database")]
    rows = (
        ("CDRs that the check holds", found.held, "roaming cdr check --month MONTH; then cdr accept or cdr dispute"),
        ("disputes past their date", found.overdue, "roaming dispute list --state open"),
    )
    return [
        _finding(name, "warn" if number else "ok", str(number), fix if number else "") for name, number, fix in rows
    ]


def _told_late(number: int) -> Finding:
    fix = "roaming session late; roaming cdr credit takes the CDR back, then bill by hand" if number else ""
    return _finding("charges that went on after their CDR", "warn" if number else "ok", str(number), fix)


def _set_aside(rows: Sequence[Any]) -> Finding:
    """What partners were not told after a rule, a group or an agreement changed, with the first reason."""
    name = "changes of rules not told"
    if not rows:
        return _finding(name, "ok", "0")
    partner, module, owner, error = rows[0]
    fix = "look for retelling_set_aside in the log of the worker; each is tried again when a worker starts"
    return _finding(name, "warn", f"{len(rows)}: {module} of {owner} to {partner}: {error}", fix)


def _through(rows: Sequence[Any]) -> Finding:
    """Stations that go through to their operators' own central systems, and whether all they said was read."""
    name = "stations that go through"
    online = sum(bool(row[2]) for row in rows)
    gaps = [(row[0], row[1]) for row in rows if row[1]]
    if not gaps:
        return _finding(name, "ok", f"{len(rows)}, {online} online, no frame unread")
    named = ", ".join(f"{station} {frames}" for station, frames in gaps[:NAMED]) + (", …" if len(gaps) > NAMED else "")
    fix = "charges of those times may be missing: see roaming station list; give copies_per_station and the disk room"
    return _finding(name, "warn", f"{len(rows)}, {online} online; frames unread: {named}", fix)


def _without_readings(number: int) -> Finding:
    fix = "roaming session late; their energy was spread evenly: right in sum, not where prices follow time or power"
    name = "charges priced without all their readings"
    return _finding(name, "warn" if number else "ok", str(number), fix if number else "")


def _ending(found: Sequence[Certificate], now: datetime) -> Finding:
    """Certificates that stations use: a station whose own has ended cannot connect any more."""
    name = "certificates of stations that end soon"
    if not found:
        return _finding(name, "ok", "0")
    named = ", ".join(f"{one.station_id} {one.expires_at:%Y-%m-%d}" for one in found[:NAMED])
    detail = f"{len(found)} within {WARNED_DAYS} days: {named}" + (", …" if len(found) > NAMED else "")
    fix = "roaming station certificate renew --days 30; see `roaming station certificate list`"
    return _finding(name, "fail" if found[0].expires_at <= now else "warn", detail, fix)


async def _hub(settings: Settings) -> list[Finding]:
    url = settings.effective_database_url
    if _is_absent(url):
        return []
    found = []
    async with open_services(settings) as services:
        try:
            directory = await services.directory.current()
            waiting = await services.database.reader.fetch("SELECT COUNT(*) FROM stations WHERE NOT is_admitted")
            dead = await services.database.reader.fetch("SELECT COUNT(*) FROM dead_letters WHERE replayed_at IS NULL")
            through = await services.database.reader.fetch(
                "SELECT station_id, missed_frames, is_connected FROM stations WHERE is_proxied ORDER BY station_id"
            )
            stuck = await services.database.reader.fetch(
                "SELECT COUNT(*) FROM deliveries WHERE state IN ('REFUSED', 'DEAD')"
            )
            aside = await services.database.reader.fetch(
                "SELECT partner_id, module, owner, error FROM retellings WHERE is_done AND error <> '' ORDER BY id"
            )
            unplaced = await find_unplaced(services)
            silent = await silent_since(services.database.reader)
            now = services.clock.now()
            held = await find_held(services.database.reader, now=now)
            told_late = await count_unbilled(services.database.reader, now=now)
            without_readings = await count_without_readings(services.database.reader, now=now)
            async with services.database.reading() as connection:
                ending_soon = await ending(connection, before=now + timedelta(days=WARNED_DAYS))
            until = now - timedelta(seconds=services.cdr_grace)
            unbilled = await find_missing(services.database, after=now - LOOK_BACK, until=until)
        except StoreUnavailable as error:
            return [_finding("hub", "fail", str(error), "start the database")]
    hosted = ", ".join(f"{e.party} {e.role}" for e in directory.hosted)
    fix = "" if hosted else "roaming party add NL-HUB --role CPO --name '...'"
    found.append(_finding("hosted parties", "ok" if hosted else "warn", hosted or "none", fix))
    for partner in directory.partners.values():
        state = "ok" if partner.is_connected and partner.id not in silent else "warn"
        standing = state_of(partner, silent)
        found.append(_finding(f"partner {partner.id}", state, standing, f"roaming partner check {partner.id}"))
    found.append(_without_place(unplaced))
    found.append(_without_cdr(unbilled))
    for name, rows, fix in (
        ("stations to bind", waiting, "roaming station list"),
        ("dead letters", dead, "roaming dead-letter list"),
        ("deliveries stuck", stuck, "roaming delivery list"),
    ):
        number = int(rows[0][0])
        found.append(_finding(name, "warn" if number else "ok", str(number), fix if number else ""))
    if through:
        found.append(_through(through))
    found.append(_set_aside(aside))
    found.append(_ending(ending_soon, now))
    return [*found, *_held(held), _told_late(told_late), _without_readings(without_readings)]
