"""States of CDRs, disputes, corrections and partners' copies, from the command line."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from roaming.billing import copies, disputes, repository, selecting
from roaming.billing.check_records import shown_copy
from roaming.billing.checks import Finding
from roaming.billing.correcting import correct, read_replacement
from roaming.billing.disputes import CLOSED_BY_PEOPLE, Dispute, DisputeState, NotDisputable
from roaming.billing.evidence import evidence_of
from roaming.billing.months import month_of, percent_of
from roaming.billing.receiving import check_keys
from roaming.billing.records import shown_cdr, shown_dispute, titled
from roaming.billing.selecting import end_dispute, reason_of
from roaming.billing.standing import Standing, standing_of
from roaming.billing.states import State
from roaming.cli.billing_titles import CDR as CDR_TITLES
from roaming.cli.billing_titles import COPY, DISPUTE
from roaming.cli.cdr_checking import money, month_or_fail
from roaming.cli.database import known_partner, services_of_now
from roaming.cli.output import Tell, fail
from roaming.cli.registering import party_of
from roaming.cli.waiting import now_and_then
from roaming.model.cdr import CDR
from roaming.model.identifiers import fold
from roaming.modules.cdrs.crediting import NotCreditable
from roaming.modules.cdrs.repository import Ended, with_ids
from roaming.ocpi.module import Services
from roaming.store.documents import object_key

DUE_DAYS = 30


async def entries_of(services: Services, ids: Sequence[str], party: str) -> list[Ended]:
    """The CDRs of these ids, each of one party, or the end of the command."""
    found: list[Ended] = []
    for cdr_id in ids:
        if party:
            keys = [object_key(party_of(party), cdr_id)]
        else:
            sql = "SELECT key FROM cdrs WHERE lower(object_id) = $1"
            keys = [row[0] for row in await services.database.reader.fetch(sql, fold(cdr_id))]
        entries = list((await with_ids(services.database.reader, keys)).values())
        if not entries:
            fail(f"no CDR {cdr_id}: see `roaming cdr list`")
        if len(entries) > 1:
            fail(f"more than one party has a CDR {cdr_id}: name one with --party")
        found += entries
    return found


async def entries_of_month(services: Services, month: str, *, party: str, partner: str) -> list[Ended]:
    """Those of charges that ended in a month, issued by or for ``party``, from or to ``partner``."""
    month = month or month_of(services.clock.now())
    month_or_fail(month)
    known = (await known_partner(services, partner)).id if partner else ""
    wanted = party_of(party) if party else None
    return await selecting.entries_of_month(services, month, party=wanted, partner_id=known)


async def list_states(*, month: str, party: str, partner: str, state: str) -> list[dict[str, Any]]:
    """Where the CDRs of a month stand."""
    if state and state.upper() not in State.__members__:
        fail(f"--state: one of {', '.join(State)}")
    async with services_of_now() as services:
        entries = await entries_of_month(services, month, party=party, partner=partner)
        standings = await standing_of(services, entries)
    return [_standing(each) for each in standings if not state or each.state == state.upper()]


def _standing(standing: Standing) -> dict[str, Any]:
    row = titled(shown_cdr(standing), CDR_TITLES)
    return row | {"from": row["from"] or "here"}


async def dispute_cdrs(
    ids: Sequence[str], *, month: str, is_found: bool, party: str, reason: str, days: int, folder: Path | None
) -> list[dict[str, Any]]:
    """Disputes these CDRs, or all of a month that the check would dispute; a row each. ``folder``: where the files for
    the other side are written."""
    async with services_of_now() as services:
        if is_found:
            entries = await entries_of_month(services, month, party=party, partner="")
        else:
            entries = await entries_of(services, ids, party)
        reader = services.database.reader
        await check_keys(services, [each.key for each in entries])
        verdicts = await repository.verdicts_of(reader, [each.key for each in entries])
        settled = {each.entry.key: each for each in await standing_of(services, entries)}
        refused = await disputes.refused_among(reader, verdicts) if is_found else ()
        rows = []
        for entry in entries:
            kept = verdicts.get(entry.key)
            findings = kept.verdict.findings if kept is not None else ()
            is_over = settled[entry.key].facts.is_credited or entry.key in refused
            is_over = is_over or (bool(entry.cdr.credit) and not disputes.is_credit_wrong(findings))
            if is_found and (kept is None or kept.outcome != "DISPUTE" or is_over):
                continue
            why = reason or reason_of(findings)
            at_stake = kept.verdict.at_stake if kept is not None else abs(entry.cdr.total_cost.before_taxes)
            rows.append(await _dispute(services, entry, findings, why, at_stake, days, folder))
    return rows


async def _dispute(
    services: Services,
    entry: Ended,
    findings: tuple[Finding, ...],
    reason: str,
    at_stake: Decimal,
    days: int,
    folder: Path | None,
) -> dict[str, Any]:
    evidence = await evidence_of(services, entry, findings)
    try:
        async with services.database.work() as work:
            dispute_id, is_new = await disputes.open_dispute(
                work,
                entry,
                reason=reason,
                at_stake=at_stake,
                days=days,
                evidence=evidence,
                is_wrong_credit=disputes.is_credit_wrong(findings),
            )
    except NotDisputable as error:
        fail(f"{error}: give --reason" if not reason else str(error))
    (dispute,) = await disputes.find_disputes(services.database.reader, ids=[dispute_id])
    row = {**_shown(dispute), "new": is_new}
    if folder is not None:
        row["file"] = str(await _write(services, dispute, folder))
    return row


async def _write(services: Services, dispute: Dispute, folder: Path) -> Path:
    evidence = await disputes.evidence_kept(services.database.reader, dispute.id)
    return _save(folder, f"dispute-{dispute.id}.json", disputes.exported(dispute, evidence))


def _save(folder: Path, name: str, content: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content, indent=1))
    return folder / name


def _shown(dispute: Dispute) -> dict[str, Any]:
    return titled(shown_dispute(dispute), DISPUTE) | {"at stake": money(dispute.at_stake)}


async def list_disputes(*, state: str, party: str, limit: int) -> list[dict[str, Any]]:
    """Disputes, those due first."""
    if state and state.upper() not in DisputeState.__members__:
        fail(f"--state: one of {', '.join(DisputeState)}")
    async with services_of_now() as services:
        side = str(party_of(party)) if party else ""
        found = await disputes.find_disputes(services.database.reader, state=state.upper(), party=side, limit=limit)
    return [_shown(each) for each in found]


async def show_dispute(dispute_id: str) -> dict[str, Any]:
    """A dispute with its evidence."""
    async with services_of_now() as services:
        dispute = await _find(services, dispute_id)
        return disputes.exported(dispute, await disputes.evidence_kept(services.database.reader, dispute.id))


async def export_dispute(dispute_id: str, folder: Path) -> dict[str, Any]:
    """Writes the file for the other side."""
    async with services_of_now() as services:
        dispute = await _find(services, dispute_id)
        return {"dispute": dispute.id, "file": str(await _write(services, dispute, folder))}


async def _find(services: Services, dispute_id: str) -> Dispute:
    found = await disputes.find_disputes(services.database.reader, ids=[dispute_id])
    if not found:
        fail(f"no dispute {dispute_id}: see `roaming dispute list`")
    return found[0]


async def import_disputes(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Takes the other side's files."""
    rows = []
    async with services_of_now() as services:
        for file in files:
            try:
                body = _load(file)
                cdr = body["evidence"]["cdr"]
                key = object_key(party_of(f"{cdr['country_code']}-{cdr['party_id']}"), cdr["id"])
            except (ValueError, KeyError, TypeError) as error:
                fail(f"{file}: is no dispute of this hub's kind ({error!r}); the other side exports one")
            known = await with_ids(services.database.reader, [key])
            try:
                async with services.database.work() as work:
                    dispute_id, is_new = await disputes.import_dispute(work, body, known)
            except NotDisputable as error:
                fail(f"{file}: {error}")
            rows.append({**_shown(await _find(services, dispute_id)), "new": is_new})
    return rows


def _load(file: Path) -> Any:
    return json.loads(file.read_text())


async def close_dispute(dispute_id: str, outcome: str, note: str) -> dict[str, Any]:
    """Closes a dispute without a credit."""
    if outcome.upper() not in CLOSED_BY_PEOPLE:
        fail(f"{outcome}: give one of {', '.join(each.lower() for each in CLOSED_BY_PEOPLE)}")
    async with services_of_now() as services:
        before = await _find(services, dispute_id)
        is_closed = await end_dispute(services, before, DisputeState(outcome.upper()), note)
        dispute = await _find(services, dispute_id)
    if not is_closed and dispute.state != outcome.upper():
        fail(f"dispute {dispute_id} is {dispute.state} already")
    return _shown(dispute)


async def correct_cdr(cdr_id: str, *, party: str, reason: str, is_replaced: bool, file: Path | None) -> dict[str, Any]:
    """Takes a CDR of ours back, and issues a new one in its place where asked to."""
    owner = party_of(party)
    replacement = _read_cdr(file) if file is not None else None
    async with services_of_now() as services:
        try:
            async with services.database.work() as work:
                done = await correct(
                    work,
                    owner,
                    cdr_id,
                    reason=reason,
                    is_replaced=is_replaced or file is not None,
                    replacement=replacement,
                )
        except NotCreditable as error:
            fail(str(error))
    row = {"id": done.credit.id, "credits": cdr_id, "before taxes": done.credit.total_cost.before_taxes}
    if done.replacement is not None:
        new = done.replacement
        row |= {"replacement": new.id, "new before taxes": new.total_cost.before_taxes, "currency": new.currency}
    return row | {"new": done.is_new}


def _read_cdr(file: Path) -> CDR:
    try:
        return read_replacement(file.read_bytes())
    except NotCreditable as error:
        fail(f"{file}: {error}")


async def compare_cdrs(*, month: str, party: str, partner: str, is_mending: bool) -> list[dict[str, Any]]:
    """Our CDRs of a month beside the partners' copies. ``is_mending``: those that a partner lacks are sent again."""
    async with services_of_now() as services:
        entries = await entries_of_month(services, month, party=party, partner=partner)
        compared = await copies.compare_copies(services, [each for each in entries if not each.source])
        gone = await copies.send_missing(services, compared) if is_mending else []
        await services.journal.flush()
    return [titled(shown_copy(each, is_sent_again=each.entry.key in gone), COPY) for each in compared]


async def resend_cdrs(*, month: str, party: str, partner: str, tell: Tell) -> list[dict[str, Any]]:
    """Sends again what partners would not take, what we gave up, and what nobody was there for; a page at a time, so
    that what was sent before a run was broken off stays sent. ``tell`` hears of the progress."""
    async with services_of_now() as services:
        month = month or month_of(services.clock.now())
        month_or_fail(month)
        known = (await known_partner(services, partner)).id if partner else ""
        wanted = party_of(party) if party else None
        found: list[dict[str, Any]] = []
        looked_at, after, progress = 0, None, now_and_then(tell)
        while True:
            page = await selecting.resend_page(services, month, party=wanted, partner_id=known, after=after)
            found += [_standing(each) | {"state": State.SENT.value} for each in page.sent]
            looked_at, after = looked_at + page.looked_at, page.after
            if after is None:
                return found
            progress(f"{looked_at:,} CDRs looked at ({percent_of(month, after[0])} %), {len(found):,} sent again")
