"""What both sides need to judge a dispute, in one JSON object: the CDR, what it was checked by, how it is reckoned, the
meter, and the frames.

Only what the two parties of the CDR know anyhow: exchanges with others are not in it.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from roaming.billing.checks import Finding
from roaming.billing.checks.known import Known
from roaming.billing.receiving import cpo_of, emsp_of, gather
from roaming.model.canonical import CanonicalObject, to_document
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.tariff import Tariff
from roaming.modules.cdrs.repository import Ended
from roaming.modules.sessions.repository import readings_of
from roaming.ocpi.module import Services
from roaming.rating import RatingError, explain, rate, relevant_tariffs
from roaming.store.columns import text_to_time
from roaming.store.documents import object_key, read_objects

FORMAT = "roaming-hub evidence 1"
BEFORE, AFTER = timedelta(hours=1), timedelta(days=7)


async def evidence_of(services: Services, entry: Ended, findings: tuple[Finding, ...]) -> dict[str, Any]:
    """The bundle. Raises ``StoreUnavailable``."""
    reader, cdr = services.database.reader, entry.cdr
    known = (await gather(reader, [entry], now=services.clock.now()))[entry.key]
    session_key = object_key(cpo_of(cdr), cdr.session_id) if cdr.session_id else ""
    frozen = await read_objects(reader, "session_snapshots", [f"{session_key}#tariff"], Tariff)
    readings = await readings_of(reader, session_key) if session_key else []
    return sealed(
        {
            "format": FORMAT,
            "cdr": _plain(cdr),
            "received_at": known.received_at.isoformat(),
            "findings": json.loads(msgspec.json.encode(findings)),
            "session": _plain(known.session),
            "tariff_at_start": _plain(next(iter(frozen.values()), None)),
            "tariff_told": _plain(known.tariff),
            "explanation": _explanation(cdr, known),
            "meter_values": [
                {"at": at.isoformat(), "register_wh": register, "power_w": power} for at, register, power in readings
            ],
            "frames": await _frames(services, entry),
        }
    )


def sealed(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """``bundle`` with a digest over everything else in it."""
    content = {name: value for name, value in bundle.items() if name != "digest"}
    return {**content, "digest": _digest(content)}


def is_sealed(bundle: Mapping[str, Any]) -> bool:
    """Whether it is as it was written."""
    return bool(bundle.get("digest") == sealed(bundle)["digest"])


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: CanonicalObject | None) -> Any:
    """As JSON with amounts as text, so that no reader rounds them."""
    return None if value is None else json.loads(to_document(value), parse_float=str)


def _explanation(cdr: CDR, known: Known) -> list[dict[str, Any]]:
    tariffs = relevant_tariffs(cdr.tariffs, cdr.charging_periods) or tuple(filter(None, [known.tariff]))
    if not tariffs:
        return []
    try:
        rated = rate(
            tariffs,
            cdr.charging_periods,
            start=cdr.start_date_time,
            end=cdr.end_date_time,
            time_zone=known.time_zone,
            readings=known.readings,
        )
    except RatingError as error:
        return [{"error": str(error)}]
    rows: list[dict[str, Any]] = json.loads(msgspec.json.encode(explain(rated)))
    return rows


async def _frames(services: Services, entry: Ended) -> list[dict[str, Any]]:
    """Exchanges about this CDR and its session with the partner that speaks for the other side."""
    cdr = entry.cdr
    directory = await services.directory.current()
    partners = {entry.source} if entry.source else {_partner(directory.partner_of(emsp_of(cdr), Role.EMSP))}
    if "" in partners:
        return []
    rows = await services.database.reader.fetch(
        "SELECT at, direction, partner_id, module, method, url, http_status, ocpi_status, request_id, correlation_id,"
        " request_body, response_body FROM journal WHERE at >= $1 AND at < $2 AND partner_id = $3"
        " AND module IN ('cdrs', 'sessions') AND (request_body LIKE $4 OR url LIKE $5)"
        " ORDER BY at LIMIT 50",
        cdr.start_date_time - BEFORE,
        entry.received_at + AFTER,
        next(iter(partners)),
        f'%"{cdr.id}"%',
        f"%/{cdr.session_id or cdr.id}",
    )
    names = ("at", "direction", "partner", "module", "method", "url", "http_status", "ocpi_status", "request_id")
    names += ("correlation_id", "request_body", "response_body")  # type: ignore[assignment]
    return [dict(zip(names, (text_to_time(row[0]).isoformat(), *row[1:]), strict=True)) for row in rows]


def _partner(partner: Any) -> str:
    return "" if partner is None else str(partner.id)


def parties_in(bundle: Mapping[str, Any]) -> tuple[PartyId, PartyId]:
    """CPO and eMSP of a bundle's CDR. Raises ``KeyError``."""
    cdr = bundle["cdr"]
    token = cdr["cdr_token"]
    return (
        PartyId.of(cdr["country_code"], cdr["party_id"]),
        PartyId.of(token["country_code"], token["party_id"]),
    )
