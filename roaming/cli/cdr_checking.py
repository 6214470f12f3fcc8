"""Partners' CDRs checked from the command line, the rules they are checked by, and what a person decides."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from roaming.billing import passing, receiving, repository
from roaming.billing.check_records import EVERYBODY, shown_rules
from roaming.billing.checks import CheckRules, MalformedRule, rules_with
from roaming.billing.disputes import close_credited
from roaming.billing.months import bounds_of, month_of
from roaming.billing.receiving import Checked
from roaming.billing.records import shown_findings, titled
from roaming.cli.billing_titles import FINDING, RULE
from roaming.cli.database import known_partner, services_of_now
from roaming.cli.output import Tell, fail
from roaming.cli.registering import party_of
from roaming.cli.waiting import now_and_then
from roaming.model.identifiers import fold
from roaming.ocpi.module import Services
from roaming.store.documents import object_key


def month_or_fail(month: str) -> tuple[datetime, datetime]:
    """The bounds of a month as people write it, or the end of the command."""
    try:
        return bounds_of(month)
    except ValueError as error:
        fail(f"--month: {error}")


async def check_cdrs(
    ids: Sequence[str],
    *,
    month: str,
    partner: str,
    party: str,
    tried: Sequence[str],
    is_dry_run: bool,
    is_passed: bool,
    is_all: bool,
    tell: Tell = lambda _: None,
) -> list[dict[str, Any]]:
    """A row per finding; ``is_all``: also one for each CDR that is accepted. ``tried``: rules that are tried on top of
    the stored ones, which stores nothing and says what would change. Where verdicts are stored, disputes whose CDR was
    taken back are closed, as the hub does when it checks. ``tell`` hears of the progress."""
    async with services_of_now() as services:
        if partner:
            await known_partner(services, partner)
        stored = await repository.rules_of(services.database.reader)
        rules = _tried(stored, tried)
        if ids:
            checked = await _by_id(
                services, ids, party, rules=rules if tried else None, is_kept=not (is_dry_run or tried)
            )
        else:
            since, until = month_or_fail(month or month_of(services.clock.now()))
            owner = party_of(party) if party else None
            look = passing.check_passed if is_passed else receiving.check_received
            checked = []
            pages = look(
                services,
                since,
                until,
                partner_id=partner,
                cpo=owner,
                rules=rules if tried else None,
                is_kept=not (is_dry_run or tried),
            )
            progress = now_and_then(tell)
            async for page in pages:
                checked += page
                progress(f"{len(checked):,} CDRs checked")
        before = await repository.verdicts_of(services.database.reader, [each.entry.key for each in checked])
        if not (is_dry_run or tried):
            await close_credited(services.database)
    return [
        row
        for each in checked
        for row in _rows(each, before.get(each.entry.key), is_all=is_all, is_compared=bool(tried))
    ]


def _tried(stored: dict[str, CheckRules], changes: Sequence[str]) -> Callable[[str], CheckRules]:
    try:
        rules_with(CheckRules(), changes)
    except MalformedRule as error:
        fail(f"--try: {error}")
    return lambda partner: rules_with(repository.rules_for(stored, partner), changes)


async def _by_id(
    services: Services,
    ids: Sequence[str],
    party: str,
    *,
    rules: Callable[[str], CheckRules] | None = None,
    is_kept: bool = True,
) -> list[Checked]:
    found: list[str] = []
    for cdr_id in ids:
        sql, values = "SELECT key FROM cdrs WHERE lower(object_id) = $1", [fold(cdr_id)]
        if party:
            sql, values = "SELECT key FROM cdrs WHERE key = $1", [object_key(party_of(party), cdr_id)]
        rows = await services.database.reader.fetch(sql, *values)
        if not rows:
            fail(f"no CDR {cdr_id}: see `roaming cdr list`")
        if len(rows) > 1:
            fail(f"more than one party has a CDR {cdr_id}: name one with --party")
        found.append(rows[0][0])
    checked = await receiving.check_keys(services, found, rules=rules, is_kept=is_kept)
    done = {each.entry.key for each in checked}
    for cdr_id, key in zip(ids, found, strict=True):
        if key not in done:
            fail(f"CDR {cdr_id} is our own: `roaming cdr explain {cdr_id}` reckons it")
    return checked


def _rows(
    checked: Checked, before: repository.KeptVerdict | None, *, is_all: bool, is_compared: bool
) -> list[dict[str, Any]]:
    verdict, entry = checked.verdict, checked.entry
    decided = before is not None and before.decision
    head = {
        "CDR": entry.cdr.id,
        "CPO": str(checked.cpo),
        "eMSP": str(checked.emsp),
        "from": entry.source or "here",
        "outcome": verdict.outcome.value + (", accepted by hand" if decided else ""),
    }
    if is_compared:
        head["stored outcome"] = before.verdict.outcome if before is not None else ""
    tail = {"ended": entry.cdr.end_date_time, "currency": entry.cdr.currency}
    found = [
        {**head, **titled(each, FINDING), "at stake": money(each.at_stake), **tail}
        for each in shown_findings(checked, is_all=is_all)
    ]
    if not found and is_all:
        empty = {"kind": "", "field": "", "finding": "nothing is wrong", "at stake": money(Decimal(0)), "reading": ""}
        return [{**head, **empty, **tail}]
    return found


def money(amount: Decimal) -> str:
    """With two decimals at least, and no more than four."""
    text = f"{amount.quantize(Decimal('0.0001')):f}"
    return text[:-2] if text.endswith("00") else text


def summary_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of ``check_cdrs`` counted by partner, outcome and kind, with what is at stake by currency."""
    counted: Counter[tuple[str, ...]] = Counter()
    stakes: dict[tuple[str, ...], Decimal] = {}
    for row in rows:
        place = (str(row["from"]), str(row["outcome"]), str(row["kind"]), str(row["currency"]))
        counted[place] += 1
        stakes[place] = stakes.get(place, Decimal(0)) + Decimal(row["at stake"])
    return [
        {
            "from": partner,
            "outcome": outcome,
            "kind": kind,
            "findings": counted[partner, outcome, kind, currency],
            "at stake": money(stakes[partner, outcome, kind, currency]),
            "currency": currency,
        }
        for partner, outcome, kind, currency in sorted(counted)
    ]


async def accept_cdr(cdr_id: str, *, party: str, note: str) -> dict[str, Any]:
    """A person takes a CDR as it is."""
    async with services_of_now() as services:
        (checked,) = await _by_id(services, [cdr_id], party)
        async with services.database.work() as work:
            await receiving.accept(work, checked.entry, note)
    return {"CDR": checked.entry.cdr.id, "check": checked.verdict.outcome.value, "decision": "ACCEPT", "note": note}


async def list_rules() -> list[dict[str, Any]]:
    """Every rule in force by partner: what was set, and the defaults."""
    async with services_of_now() as services:
        stored = await repository.rules_of(services.database.reader)
    return [titled(each, RULE) for each in shown_rules(stored)]


async def set_rules(partner: str, changes: Sequence[str]) -> dict[str, Any]:
    """Changes rules of a partner, or of everybody who has none of its own."""
    async with services_of_now() as services:
        partner_id = "" if partner == EVERYBODY else (await known_partner(services, partner)).id
        stored = await repository.rules_of(services.database.reader)
        try:
            rules = rules_with(repository.rules_for(stored, partner_id), changes)
        except MalformedRule as error:
            fail(str(error))
        async with services.database.work() as work:
            await repository.set_rules(work, partner_id, rules)
    return {"partner": partner, "set": list(changes), "next": "roaming cdr check --month MONTH looks at a month again"}


async def reset_rules(partner: str) -> dict[str, Any]:
    """Back to the rules of everybody, or the defaults."""
    async with services_of_now() as services:
        partner_id = "" if partner == EVERYBODY else (await known_partner(services, partner)).id
        async with services.database.work() as work:
            is_gone = await repository.drop_rules(work, partner_id)
    if not is_gone:
        fail(f"{partner} has no rules of its own: see `roaming cdr rules list`")
    return {"partner": partner, "state": "reset"}
