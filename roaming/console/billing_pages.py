"""Pages of billing for people at this machine: a month of CDRs by who bills whom, one CDR line by line, a statement. No
script, nothing from outside. What is done is done by commands, which the pages name.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from functools import cache
from typing import Any
from urllib.parse import urlencode

from roaming.billing import disputes, repository, selecting, settling
from roaming.billing import settlement_repository as statements
from roaming.billing.checks import Finding
from roaming.billing.checks.amounts import SUMS, shown
from roaming.billing.exchange.rates import MissingRate
from roaming.billing.explaining import NotExplainable, explanation_of
from roaming.billing.exports import to_html
from roaming.billing.months import bounds_of, month_of
from roaming.billing.receiving import cpo_of, emsp_of
from roaming.billing.standing import Standing, standing_of
from roaming.billing.statement import Pair, pair_of
from roaming.billing.states import State
from roaming.console.docs import TEMPLATES
from roaming.model.identifiers import PartyId
from roaming.modules.cdrs.repository import ended_between
from roaming.ocpi.module import Services
from roaming.rating.explanation import for_people

MOST = 5_000
"""CDRs of a month that are looked at: who has more uses commands or the API."""
MOST_ROWS = 200
TO_DO = (State.HELD, State.DISPUTED, State.REJECTED, State.UNKNOWN)
"""What waits for a person."""


def _pair(text: str, other: str) -> Pair:
    return pair_of(PartyId.parse(text), PartyId.parse(other))


async def month_page(services: Services, month: str) -> str:
    """A month, this one unless named. Raises ``ValueError`` for what is no month, and ``StoreUnavailable``."""
    month = month or month_of(services.clock.now())
    since, until = bounds_of(month)
    reader = services.database.reader
    entries = await ended_between(reader, since, until, limit=MOST + 1)
    standings = await standing_of(services, entries[:MOST])
    waiting = [each for each in standings if each.state in TO_DO]
    opened = await disputes.find_disputes(reader, state="OPEN", limit=MOST_ROWS)
    closed = await statements.statements_of(reader, month=month)
    return _render(
        "billing.html",
        month=month,
        before=month_of(since - (until - since) / 2),
        after=month_of(until),
        is_cut=len(entries) > MOST,
        most=MOST,
        pairs=_by_pair(standings),
        waiting=await _waiting(services, waiting[:MOST_ROWS]),
        waiting_count=len(waiting),
        disputes=[_dispute(each, services.clock.now()) for each in opened],
        statements=[_statement(each) for each in closed],
    )


def _by_pair(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, str], list[Standing]] = {}
    for each in standings:
        cdr = each.entry.cdr
        groups.setdefault((str(cpo_of(cdr)), str(emsp_of(cdr)), cdr.currency), []).append(each)
    rows = []
    with localcontext(SUMS):
        for (cpo, emsp, currency), own in sorted(groups.items()):
            states = Counter(each.state.value for each in own)
            rows.append(
                {
                    "CPO": cpo,
                    "eMSP": emsp,
                    "currency": currency,
                    "CDRs": len(own),
                    "kWh": shown(sum((_signed(each, each.entry.cdr.total_energy) for each in own), Decimal(0))),
                    "before taxes": shown(sum((each.entry.cdr.total_cost.before_taxes for each in own), Decimal(0))),
                    "states": ", ".join(f"{count} {state.lower()}" for state, count in sorted(states.items())),
                    "link": _link("statement", one=cpo, other=emsp, month=month_of(own[0].entry.cdr.end_date_time)),
                }
            )
    return rows


def _signed(standing: Standing, volume: Decimal) -> Decimal:
    return -volume if standing.entry.cdr.credit else volume


def _link(page: str, **query: str) -> str:
    return f"/console/{page}?{urlencode(query)}"


async def _waiting(services: Services, standings: Sequence[Standing]) -> list[dict[str, Any]]:
    verdicts = await repository.verdicts_of(services.database.reader, [each.entry.key for each in standings])
    rows = []
    for each in standings:
        cdr, kept = each.entry.cdr, verdicts.get(each.entry.key)
        found = next(iter(kept.verdict.findings), None) if kept is not None else None
        rows.append(
            {
                "CDR": cdr.id,
                "CPO": str(cpo_of(cdr)),
                "eMSP": str(emsp_of(cdr)),
                "state": each.state.value,
                "before taxes": f"{shown(cdr.total_cost.before_taxes)} {cdr.currency}",
                "why": _words(found) if found is not None else each.error,
                "link": _link("cdr", cpo=str(cpo_of(cdr)), id=cdr.id),
            }
        )
    return rows


def _words(found: Finding) -> str:
    return f"{found.field} {found.text}"


def _dispute(dispute: disputes.Dispute, now: datetime) -> dict[str, Any]:
    return {
        "dispute": dispute.id,
        "CDR": dispute.cdr_id,
        "CPO": dispute.cpo,
        "eMSP": dispute.emsp,
        "at stake": f"{shown(dispute.at_stake)} {dispute.currency}",
        "due": f"{dispute.due_at:%Y-%m-%d}",
        "is_late": dispute.due_at < now,
        "reason": dispute.reason,
        "link": _link("cdr", cpo=dispute.cpo, id=dispute.cdr_id),
    }


def _statement(kept: statements.KeptStatement) -> dict[str, Any]:
    statement = kept.statement
    return {
        "of": f"{statement.one} and {statement.other}",
        "state": kept.state,
        "CDRs": len(statement.lines),
        "payable": "; ".join(each.words for each in statement.balances),
        "link": _link("statement", one=statement.one, other=statement.other, month=statement.month),
    }


async def cdr_page(services: Services, cpo: str, cdr_id: str) -> str:
    """One CDR with the reason for each line. Raises ``NoSuchCdr``, ``ValueError`` and ``StoreUnavailable``."""
    entry = await selecting.entry_of(services, PartyId.parse(cpo), cdr_id)
    (standing,) = await standing_of(services, [entry])
    kept = (await repository.verdicts_of(services.database.reader, [entry.key])).get(entry.key)
    findings = kept.verdict.findings if kept is not None else ()
    try:
        found = await explanation_of(services, entry)
        lines, verdict = [for_people(row) for row in found.rows], found.verdict
        notes = [each.text for each in found.rated.findings]
    except NotExplainable as error:
        lines, verdict, notes = [], str(error), []
    cdr = entry.cdr
    taxes = cdr.total_cost.taxes
    return await asyncio.to_thread(
        _render,
        "cdr.html",
        cdr=cdr,
        cpo=str(cpo_of(cdr)),
        emsp=str(emsp_of(cdr)),
        month=month_of(cdr.end_date_time),
        state=standing.state.value,
        standing=standing,
        net=shown(cdr.total_cost.before_taxes),
        gross="" if taxes is None else shown(cdr.total_cost.before_taxes + sum((t.amount for t in taxes), Decimal(0))),
        findings=[{"kind": each.kind.value, "words": _words(each), "outcome": each.outcome.value} for each in findings],
        decision=kept.decision if kept is not None else "",
        note=kept.note if kept is not None else "",
        lines=lines,
        verdict=verdict,
        notes=notes,
    )


async def statement_page(services: Services, one: str, other: str, month: str) -> bytes:
    """A statement as it was closed, or as it would be now. Raises ``ValueError`` and ``StoreUnavailable``."""
    try:
        statement, edition = await settling.version_of(services, _pair(one, other), month)
    except MissingRate as error:
        raise ValueError(str(error)) from error
    return await asyncio.to_thread(to_html, statement, edition)


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only who reads waits for it

    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)


def _render(name: str, **values: Any) -> str:
    return str(_templates().get_template(name).render(**values))
