"""CDRs as people name them: of a month, of a party, one by its id; checked and disputed with what belongs to that.

Serves the API; commands have options of their own for the same.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from roaming.billing import copies, disputes, repository
from roaming.billing.checks import CheckRules, Finding
from roaming.billing.disputes import Dispute, DisputeState
from roaming.billing.evidence import evidence_of
from roaming.billing.months import bounds_of
from roaming.billing.receiving import Checked, accept, check_entries, check_keys, emsp_of
from roaming.billing.standing import Standing, standing_of
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.modules.cdrs.repository import Ended, ended_between, with_ids
from roaming.ocpi.module import Services
from roaming.store.documents import object_key

PAGE = 500


class NoSuchCdr(LookupError):
    """There is no such CDR here, or none that the asker may see."""


async def entry_of(services: Services, cpo: PartyId, cdr_id: str, *, seen_by: str = "") -> Ended:
    """One CDR; ``seen_by``: a party (empty: everybody) that is its CPO or eMSP. Raises ``NoSuchCdr``."""
    key = object_key(cpo, cdr_id)
    entry = (await with_ids(services.database.reader, [key])).get(key)
    if entry is None or (seen_by and seen_by not in (str(cpo), str(emsp_of(entry.cdr)))):
        raise NoSuchCdr(f"{cpo} has no CDR {cdr_id} here")
    return entry


async def page_of(
    services: Services,
    month: str,
    *,
    party: PartyId | None,
    after: tuple[datetime, str] | None,
    limit: int,
    cpo: PartyId | None = None,
    is_ours: bool = False,
) -> list[Ended]:
    """CDRs of charges that ended in a month, by end and key, behind ``after``; ``party``: those of or for it; else
    ``cpo``: those that it issued. ``is_ours``: issued here. Raises ``ValueError`` for what is no month."""
    since, until = bounds_of(month)
    return await ended_between(
        services.database.reader,
        since,
        until,
        cpo=cpo if party is None else None,
        party=party,
        sources=("",) if is_ours else None,
        after=after,
        limit=limit,
    )


async def entries_of_month(
    services: Services,
    month: str,
    *,
    party: PartyId | None = None,
    cpo: PartyId | None = None,
    partner_id: str = "",
    is_ours: bool = False,
    most: int | None = None,
) -> list[Ended]:
    """CDRs of charges that ended in a month, by end and key: issued by or for ``party``, issued by ``cpo``, from or to
    this partner, ``is_ours``: issued here. ``most``: no more are looked for once there are so many. Raises
    ``ValueError`` for what is no month."""
    speaks = await _emsps_of(services, partner_id)
    sides: list[dict[str, PartyId]] = [{"cpo": cpo}] if cpo is not None else [{}]
    if party is not None:
        sides = [side | {role: party} for side in sides for role in ("cpo", "emsp") if side.get(role, party) == party]
    found: dict[str, Ended] = {}
    for side in sides:
        after: tuple[datetime, str] | None = None
        while page := await ended_between(
            services.database.reader,
            *bounds_of(month),
            cpo=side.get("cpo"),
            emsp=side.get("emsp"),
            sources=("",) if is_ours else None,
            after=after,
            limit=PAGE,
        ):
            after = (page[-1].cdr.end_date_time, page[-1].key)
            found |= {
                each.key: each
                for each in page
                if not partner_id or each.source == partner_id or (not each.source and emsp_of(each.cdr) in speaks)
            }
            if most is not None and len(found) >= most:
                break
    return sorted(found.values(), key=lambda entry: (entry.cdr.end_date_time, entry.key))[:most]


async def _emsps_of(services: Services, partner_id: str) -> set[PartyId]:
    """Those that a partner speaks for."""
    if not partner_id:
        return set()
    directory = await services.directory.current()
    return {role.party for role in directory.partners[partner_id].roles if role.role == Role.EMSP}


class SentAgain(NamedTuple):
    """A page of CDRs of ours."""

    looked_at: int
    sent: list[Standing]
    """What goes out again, as it stood before."""
    after: tuple[datetime, str] | None
    """End and key behind which the next page begins; ``None``: there is none."""


async def resend_page(
    services: Services,
    month: str,
    *,
    party: PartyId | None = None,
    cpo: PartyId | None = None,
    partner_id: str = "",
    after: tuple[datetime, str] | None = None,
    limit: int = PAGE,
) -> SentAgain:
    """Sends again what partners would not take, what was given up, and what nobody was there for, of the first CDRs of
    ours behind ``after``; in one transaction. Which: as in ``page_of``; ``partner_id``: for eMSPs that it speaks
    for."""
    page = await page_of(services, month, party=party, cpo=cpo, is_ours=True, after=after, limit=limit)
    speaks = await _emsps_of(services, partner_id)
    wanted = [each for each in page if not partner_id or emsp_of(each.cdr) in speaks]
    standings = await standing_of(services, wanted)
    async with services.database.work() as work:
        gone = set(await copies.send_again(work, standings, is_lacking=False))
    last = (page[-1].cdr.end_date_time, page[-1].key) if len(page) == limit else None
    return SentAgain(len(page), [each for each in standings if each.entry.key in gone], last)


class Looked(NamedTuple):
    """A page of what was checked."""

    looked_at: int
    """CDRs that were looked at; those that nobody here is to pay are not checked."""
    checked: list[Checked]
    after: tuple[datetime, str] | None
    """End and key behind which the next page begins; ``None``: there is none."""


async def check_page(
    services: Services,
    month: str,
    *,
    partner_id: str = "",
    emsp: PartyId | None = None,
    rules: Callable[[str], CheckRules] | None = None,
    is_kept: bool = True,
    after: tuple[datetime, str] | None = None,
    limit: int = PAGE,
) -> Looked:
    """Checks the first CDRs of a month, behind ``after``, that are somebody's to pay here. ``emsp``: only those that
    this party is to pay; the rest as in ``check_received``. Raises ``ValueError`` for what is no month."""
    sources = (partner_id,) if partner_id else None
    page = await ended_between(
        services.database.reader, *bounds_of(month), emsp=emsp, sources=sources, after=after, limit=limit
    )
    checked = await check_entries(services, page, rules=rules, is_kept=is_kept)
    last = (page[-1].cdr.end_date_time, page[-1].key) if len(page) == limit else None
    return Looked(len(page), checked, last)


async def dispute(
    services: Services, entry: Ended, *, reason: str, days: int, raised_by: PartyId | None = None
) -> tuple[str, bool]:
    """Disputes a CDR with all that is known of it; without ``reason`` for what the check finds. See ``open_dispute``.
    Raises ``NotDisputable``."""
    await check_keys(services, [entry.key])
    kept = (await repository.verdicts_of(services.database.reader, [entry.key])).get(entry.key)
    findings = kept.verdict.findings if kept is not None else ()
    at_stake = kept.verdict.at_stake if kept is not None else abs(entry.cdr.total_cost.before_taxes)
    evidence = await evidence_of(services, entry, findings)
    async with services.database.work() as work:
        return await disputes.open_dispute(
            work,
            entry,
            reason=reason or reason_of(findings),
            at_stake=at_stake or abs(Decimal(entry.cdr.total_cost.before_taxes)),
            days=days,
            evidence=evidence,
            raised_by=raised_by,
            is_wrong_credit=disputes.is_credit_wrong(findings),
        )


async def end_dispute(services: Services, dispute: Dispute, state: DisputeState, note: str) -> bool:
    """Ends an open dispute without a credit; False when it is over already. What its eMSP withdraws is paid as it is:
    the CDR is accepted with it, and no check disputes it again. What the CPO refuses is still the eMSP's to decide."""
    entry = (await with_ids(services.database.reader, [dispute.cdr_key])).get(dispute.cdr_key)
    async with services.database.work() as work:
        is_closed = await disputes.close_dispute(work, dispute.id, state, note)
        if is_closed and entry is not None and state is DisputeState.WITHDRAWN:
            await accept(work, entry, note)
    return is_closed


def reason_of(findings: Sequence[Finding]) -> str:
    """What leads to a dispute, in words."""
    return "; ".join(f"{each.field} {each.text}" for each in findings if each.outcome == "DISPUTE")
