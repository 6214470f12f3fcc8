"""Statements, terms, reconciliation and the ledger, from the command line."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from roaming.billing import matching, settling
from roaming.billing import settlement_repository as repository
from roaming.billing.checks.amounts import ZERO, shown
from roaming.billing.exchange.rates import MissingRate
from roaming.billing.exports import exported
from roaming.billing.ledger import balances_of as ledger_balances
from roaming.billing.matching import MalformedList, Match
from roaming.billing.rows import CannotExport, balances_of, fees_of, lines_of, totals_of
from roaming.billing.settlement_repository import KeptStatement
from roaming.billing.settling import NotClosable
from roaming.billing.statement import Pair, Statement, pair_of, statement_id
from roaming.billing.terms import MalformedTerms, read_exchange, read_invoicing, read_terms
from roaming.cli.cdr_checking import month_or_fail
from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.ocpi.module import Services

OPEN = "OPEN"


def pair_or_fail(one: str, other: str) -> Pair:
    """The two parties, or the end of the command."""
    pair = pair_of(party_of(one), party_of(other))
    if pair.one == pair.other:
        fail(f"{one} has no statement with itself")
    return pair


async def list_terms() -> list[dict[str, Any]]:
    """All terms, a row per fee."""
    async with services_of_now() as services:
        kept = await repository.terms_of(services.database.reader)
    return [
        {
            "CPO": cpo,
            "eMSP": emsp,
            "fee": str(fee) if fee is not None else "",
            "hub": terms.hub,
            "currencies": " ".join(terms.currencies),
            "disputed": terms.disputed.value,
            "rounding": terms.rounding.value,
            "untaxed": terms.invoicing.untaxed.value if terms.invoicing.untaxed else "",
            "invoice lines": terms.invoicing.lines.value,
            "settled in": terms.exchange.currency,
            "rates": f"{terms.exchange.source} {terms.exchange.day.value}" if terms.exchange.currency else "",
        }
        for (cpo, emsp), terms in kept.items()
        for fee in (terms.fees or (None,))
    ]


async def set_terms(
    cpo: str, emsp: str, agreed: Mapping[str, Any], how: Mapping[str, str], converted: Mapping[str, str]
) -> dict[str, Any]:
    """Stores what two parties agreed on; ``agreed`` as ``read_terms`` takes it, ``how`` as ``read_invoicing`` does,
    ``converted`` as ``read_exchange``."""
    hub = str(party_of(agreed["hub"])) if agreed["hub"] else ""
    try:
        exchange = read_exchange(**converted)
        terms = read_terms(**{**agreed, "hub": hub}, invoicing=read_invoicing(**how), exchange=exchange)
    except MalformedTerms as error:
        fail(str(error))
    async with services_of_now() as services, services.database.work() as work:
        await repository.set_terms(work, party_of(cpo), party_of(emsp), terms)
    return {"CPO": str(party_of(cpo)), "eMSP": str(party_of(emsp)), "fees": [str(fee) for fee in terms.fees]}


async def drop_terms(cpo: str, emsp: str) -> dict[str, Any]:
    """Forgets them."""
    async with services_of_now() as services, services.database.work() as work:
        is_gone = await repository.drop_terms(work, party_of(cpo), party_of(emsp))
    if not is_gone:
        fail(f"{cpo} and {emsp} have no terms: see `roaming settle terms list`")
    return {"CPO": str(party_of(cpo)), "eMSP": str(party_of(emsp)), "state": "removed"}


async def show_statement(
    one: str, other: str, *, month: str, is_by_line: bool, is_fees: bool, file: Path | None
) -> list[dict[str, Any]]:
    """A statement: its totals and what is payable, its lines, or its fees; and a file of it."""
    pair = pair_or_fail(one, other)
    month_or_fail(month)
    async with services_of_now() as services:
        statement, kept = await _statement(services, pair, month)
    state = kept.state if kept is not None else OPEN
    if file is not None:
        try:
            content = exported(statement, state, file.name)
        except CannotExport as error:
            fail(str(error))
        _save(file, content)
    if is_by_line:
        return [_text(row) for row in lines_of(statement)]
    if is_fees:
        return [_text(row) for row in fees_of(statement)]
    return _summary(statement, state)


async def _statement(services: Services, pair: Pair, month: str) -> tuple[Statement, KeptStatement | None]:
    try:
        return await settling.statement_of(services, pair, month)
    except MissingRate as error:
        fail(str(error))


def _save(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _text(row: dict[str, Any]) -> dict[str, Any]:
    return {name: shown(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _summary(statement: Statement, state: str) -> list[dict[str, Any]]:
    rows = []
    names = list(totals_of(statement)[0]) if statement.totals else []
    for row in totals_of(statement):
        rows.append({"row": "CHARGING", **_text(row), "debtor": row["eMSP"], "creditor": row["CPO"], "payable": ""})
    for row in fees_of(statement):
        values = {**row, "taxes": row["tax"], "debtor": row["payer"], "creditor": row["payee"], "payable": ""}
        rows.append({"row": f"FEE {row['fee']}", **_picked(values, names)})
    for row in balances_of(statement):
        rows.append({"row": "PAYABLE", **_picked({**row, "after taxes": row["exact"]}, names)})
    last = {"row": f"{state} {statement.month}, digest {statement.digest}"}
    return [*rows, {**last, **_picked({}, names)}]


def _picked(values: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return _text({name: values.get(name, "") for name in (*names, "debtor", "creditor", "payable")})


async def list_statements(party: str) -> list[dict[str, Any]]:
    """Statements that were closed."""
    async with services_of_now() as services:
        side = str(party_of(party)) if party else ""
        kept = await repository.statements_of(services.database.reader, party=side)
    return [
        {
            "month": each.statement.month,
            "one": each.statement.one,
            "other": each.statement.other,
            "state": each.state,
            "changed": each.changed_at,
            "CDRs": len(each.statement.lines),
            "payable": "; ".join(
                f"{balance.debtor} owes {balance.creditor} {shown(balance.payable)} {balance.currency}"
                for balance in each.statement.balances
            ),
            "digest": each.statement.digest,
        }
        for each in kept
    ]


async def close_statement(one: str, other: str, month: str) -> dict[str, Any]:
    """Closes a month."""
    pair = pair_or_fail(one, other)
    month_or_fail(month)
    async with services_of_now() as services:
        try:
            statement, is_new = await settling.close(services, pair, month)
        except (NotClosable, MissingRate) as error:
            fail(str(error))
    return {
        "statement": statement.id,
        "state": "CLOSED",
        "new": is_new,
        "CDRs": len(statement.lines),
        "payable": [
            f"{balance.debtor} owes {balance.creditor} {shown(balance.payable)} {balance.currency}"
            for balance in statement.balances
        ],
        "digest": statement.digest,
    }


async def reopen_statement(one: str, other: str, month: str, reason: str) -> dict[str, Any]:
    """Unlocks a month."""
    pair = pair_or_fail(one, other)
    async with services_of_now() as services:
        try:
            statement = await settling.reopen(services, pair, month, reason)
        except NotClosable as error:
            fail(str(error))
    return {"statement": statement.id, "state": "REOPENED", "reason": reason}


async def list_history(one: str, other: str, month: str) -> list[dict[str, Any]]:
    """What was done to a statement."""
    pair = pair_or_fail(one, other)
    async with services_of_now() as services:
        events = await repository.events_of(services.database.reader, statement_id(pair, month))
    return [{"at": at, "what": what, "reason": reason, "digest": digest} for at, what, reason, digest in events]


async def reconcile(
    one: str, other: str, *, month: str, file: Path, tolerance: str, is_all: bool
) -> tuple[list[dict[str, Any]], bool]:
    """A partner's list beside the statement: rows and sums, and whether nothing differs."""
    pair = pair_or_fail(one, other)
    month_or_fail(month)
    try:
        listed = matching.read_list(_read(file))
        allowed = Decimal(tolerance)
    except MalformedList as error:
        fail(f"{file}: {error}")
    except InvalidOperation:
        fail(f"--tolerance: {tolerance} is no amount")
    async with services_of_now() as services:
        statement, _ = await _statement(services, pair, month)
    found = matching.match(statement.lines, listed, tolerance=allowed)
    rows = [
        {
            "CDR": each.cdr_id,
            "result": each.match.value,
            "currency": each.currency,
            "ours": "" if each.ours is None else shown(each.ours),
            "theirs": "" if each.theirs is None else shown(each.theirs),
            "difference": shown(each.difference),
            "text": each.text,
        }
        for each in found
        if is_all or each.match is not Match.MATCHED
    ]
    for currency, result, count, difference in matching.sums_of(found):
        row = dict.fromkeys(("CDR", "result", "currency", "ours", "theirs", "difference", "text"), "")
        text = f"{count} CDRs"
        rows.append(
            row | {"CDR": "SUM", "result": result, "currency": currency, "difference": shown(difference), "text": text}
        )
    return rows, all(each.match is Match.MATCHED for each in found)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return file.read_text(encoding="latin-1")


async def show_ledger(party: str, *, month: str, is_by_entry: bool) -> list[dict[str, Any]]:
    """The book of a party: balances by account, or every entry. ``month``: its CDRs are written first."""
    book = str(party_of(party))
    async with services_of_now() as services:
        if month:
            month_or_fail(month)
            await settling.post_month(services, month)
        entries = await repository.entries_of(services.database.reader, book=book)
    if is_by_entry:
        return [
            {
                "at": at,
                "posting": posting,
                "account": entry.account,
                "with": entry.counterparty,
                "currency": entry.currency,
                "debit": shown(entry.debit),
                "credit": shown(entry.credit),
                "statement": entry.statement_id,
            }
            for at, posting, entry in entries
        ]
    balances = ledger_balances(entry for _, _, entry in entries)
    return [
        {
            "account": account,
            "with": other,
            "currency": currency,
            "debit": shown(max(balance, ZERO)),
            "credit": shown(max(-balance, ZERO)),
        }
        for (_, account, other, currency), balance in sorted(balances.items())
    ]
