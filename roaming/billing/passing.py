"""Checks CDRs that the hub passed on to other partners. It keeps none of them (decision 0070): they are read back from
the journal, for as long as that is kept.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from roaming.billing import repository
from roaming.billing.checks import CheckRules
from roaming.billing.receiving import Checked, cpo_of, gather, judge, with_agreed_currencies
from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.modules.cdrs.repository import Ended, key_of
from roaming.modules.cdrs.service import CODECS
from roaming.ocpi.codec import DecodeError, MalformedJson, parse_json
from roaming.ocpi.module import Services
from roaming.store.columns import text_to_time
from roaming.store.documents import keys_present

logger = structlog.get_logger(__name__)

_PASSED = (
    "SELECT id, at, partner_id, request_body FROM journal WHERE direction = 'in' AND module = 'cdrs'"
    " AND method = 'POST' AND http_status IN (200, 201) AND at >= $1 AND at < $2 AND id > $3 ORDER BY id LIMIT $4"
)
PAGE: Final = 500


class Passed(NamedTuple):
    """A page of the journal, checked."""

    looked_at: int
    """CDRs that came in it, as often as they came."""
    checked: list[Checked]
    last: int
    """Number of its last message; 0: there is none."""
    at: datetime
    """When that came."""


async def check_passed(
    services: Services,
    since: datetime,
    until: datetime,
    *,
    partner_id: str = "",
    cpo: PartyId | None = None,
    rules: Callable[[str], CheckRules] | None = None,
    is_kept: bool = True,
) -> AsyncIterator[list[Checked]]:
    """Checks CDRs that came in this window and were passed on, a page at a time; ``partner_id``: who sent them. Those
    of 2.1.1 are left out, which cannot be read without their surroundings; what the journal cut short is logged. Raises
    ``StoreUnavailable``."""
    seen: set[str] = set()
    last: int = 0
    while True:
        page = await check_passed_page(
            services,
            since,
            until,
            partner_id=partner_id,
            cpo=cpo,
            rules=rules,
            is_kept=is_kept,
            after=last,
            seen=seen,
        )
        if page.checked:
            yield page.checked
        if page.looked_at < PAGE:
            return
        last = page.last


async def check_passed_page(
    services: Services,
    since: datetime,
    until: datetime,
    *,
    partner_id: str = "",
    cpo: PartyId | None = None,
    rules: Callable[[str], CheckRules] | None = None,
    is_kept: bool = True,
    after: int = 0,
    limit: int = PAGE,
    seen: set[str] | None = None,
) -> Passed:
    """The first of these behind the journal's message ``after``. ``seen``: keys of those that were checked on earlier
    pages, which are not again; it is given those of this one."""
    reader = services.database.reader
    directory = await services.directory.current()
    versions = {partner.id: partner.version for partner in directory.partners.values()}
    rows = await reader.fetch(_PASSED, since, until, after, limit)
    seen = set() if seen is None else seen
    page: dict[str, Ended] = {}
    for _, at, sender, body in rows:
        if partner_id and sender != partner_id:
            continue
        entry = _read(str(sender), versions.get(str(sender)), text_to_time(at), str(body))
        if entry is not None and entry.key not in seen and cpo in (None, cpo_of(entry.cdr)):
            page[entry.key] = entry
    here = set(await keys_present(reader, "cdrs", page))
    seen |= page.keys()
    passed = [entry for key, entry in page.items() if key not in here]
    checked = await _check(services, passed, rules, is_kept=is_kept) if passed else []
    last, at = (rows[-1][0], text_to_time(rows[-1][1])) if rows else (0, since)
    return Passed(len(rows), checked, last, at)


async def _check(
    services: Services, passed: Sequence[Ended], rules: Callable[[str], CheckRules] | None, *, is_kept: bool
) -> list[Checked]:
    reader = services.database.reader
    stored = await repository.rules_of(reader)
    known = await gather(reader, passed, now=services.clock.now())
    strict = await with_agreed_currencies(reader, rules or (lambda partner: repository.rules_for(stored, partner)))
    checked = [Checked(entry=each, verdict=judge(each, known[each.key], strict(each))) for each in passed]
    if is_kept:
        async with services.database.work() as work:
            await repository.keep_verdicts(
                work, [(each.entry.key, each.entry.source, each.cpo, each.emsp, each.verdict) for each in checked]
            )
    return checked


def _read(sender: str, version: Version | None, at: datetime, body: str) -> Ended | None:
    if version is None or version == Version.V2_1_1:
        return None
    try:
        cdr = CODECS[version].decode(parse_json(body.encode())).value
    except (DecodeError, MalformedJson) as error:
        logger.warning("passed_cdr_unreadable", partner=sender, at=at.isoformat(), reason=str(error))
        return None
    return Ended(key_of(cpo_of(cdr), cdr.id), sender, at, version.value, cdr)
