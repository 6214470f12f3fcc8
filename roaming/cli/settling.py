"""Statements, terms, reconciliation and the ledger, from the command line."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from roaming.billing import reconciling, settling
from roaming.billing import settlement_repository as repository
from roaming.billing.checks.amounts import shown
from roaming.billing.exchange.rates import MissingRate
from roaming.billing.exports import exported
from roaming.billing.matching import MalformedList, Match
from roaming.billing.records import (
    match_sums,
    shown_balances,
    shown_entry,
    shown_matches,
    shown_statement,
    shown_terms,
    titled,
)
from roaming.billing.rows import CannotExport, balances_of, fees_of, lines_of, money_or_shown, totals_of
from roaming.billing.settling import NoSuchVersion, NotClosable
from roaming.billing.statement import Edition, Pair, Statement, pair_of, statement_id
from roaming.billing.terms import MalformedTerms, read_exchange, read_invoicing, read_since, read_terms
from roaming.cli.billing_titles import BALANCE, ENTRY, MATCH, STATEMENT
from roaming.cli.cdr_checking import month_or_fail
from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of


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
            "CPO": each.cpo,
            "eMSP": each.emsp,
            "since": each.since,
            "fee": fee,
            "hub": each.hub,
            "currencies": " ".join(each.currencies),
            "disputed": each.disputed.upper(),
            "rounding": each.rounding.upper(),
            "untaxed": each.untaxed.upper(),
            "invoice lines": each.invoice_lines.upper(),
            "settled in": each.settle_in,
            "rates": f"{each.rates} {each.rate_day.upper()}" if each.settle_in else "",
        }
        for (cpo, emsp), terms in kept.items()
        for each in (shown_terms(cpo, emsp, version) for version in terms.versions)
        for fee in (each.fees or ("",))
    ]


async def set_terms(
    cpo: str,
    emsp: str,
    agreed: Mapping[str, Any],
    how: Mapping[str, str],
    converted: Mapping[str, str],
    *,
    since: str,
) -> dict[str, Any]:
    """Stores what two parties agreed on; ``agreed`` as ``read_terms`` takes it, ``how`` as ``read_invoicing`` does,
    ``converted`` as ``read_exchange``, ``since`` as ``read_since``."""
    hub = str(party_of(agreed["hub"])) if agreed["hub"] else ""
    try:
        exchange, first = read_exchange(**converted), read_since(since)
        terms = read_terms(**{**agreed, "hub": hub}, invoicing=read_invoicing(**how), exchange=exchange)
    except MalformedTerms as error:
        fail(str(error))
    async with services_of_now() as services, services.database.work() as work:
        await repository.set_terms(work, party_of(cpo), party_of(emsp), terms, since=first)
    done = {"CPO": str(party_of(cpo)), "eMSP": str(party_of(emsp)), "fees": [str(fee) for fee in terms.fees]}
    return done | ({"since": first} if first else {})


async def drop_terms(cpo: str, emsp: str) -> dict[str, Any]:
    """Forgets them."""
    async with services_of_now() as services, services.database.work() as work:
        is_gone = await repository.drop_terms(work, party_of(cpo), party_of(emsp))
    if not is_gone:
        fail(f"{cpo} and {emsp} have no terms: see `roaming settle terms list`")
    return {"CPO": str(party_of(cpo)), "eMSP": str(party_of(emsp)), "state": "removed"}


async def show_statement(
    one: str, other: str, *, month: str, version: int, is_by_line: bool, is_fees: bool, file: Path | None
) -> list[dict[str, Any]]:
    """A statement: its totals and what is payable, its lines, or its fees; and a file of it."""
    pair = pair_or_fail(one, other)
    month_or_fail(month)
    async with services_of_now() as services:
        try:
            statement, edition = await settling.version_of(services, pair, month, version)
        except (MissingRate, NoSuchVersion) as error:
            fail(str(error))
    if file is not None:
        try:
            content = exported(statement, edition, file.name)
        except CannotExport as error:
            fail(str(error))
        _save(file, content)
    if is_by_line:
        return [_text(row) for row in lines_of(statement)]
    if is_fees:
        return [_text(row) for row in fees_of(statement)]
    return _summary(statement, edition)


def _save(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _text(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: money_or_shown(name, value) if isinstance(value, Decimal) else "" if value is None else value
        for name, value in row.items()
    }


def _summary(statement: Statement, edition: Edition) -> list[dict[str, Any]]:
    rows = []
    names = list(totals_of(statement)[0]) if statement.totals else []
    for row in totals_of(statement):
        rows.append({"row": "CHARGING", **_text(row), "debtor": row["eMSP"], "creditor": row["CPO"], "payable": ""})
    for row in fees_of(statement):
        values = {**row, "taxes": row["tax"], "debtor": row["payer"], "creditor": row["payee"], "payable": ""}
        rows.append({"row": f"FEE {row['fee']}", **_picked(values, names)})
    for row in balances_of(statement):
        rows.append({"row": "PAYABLE", **_picked({**row, "after taxes": row["exact"]}, names)})
    last = {"row": f"{edition.state} {edition.number(statement)}, digest {statement.digest}"}
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
            **titled(each, STATEMENT),
            "payable": "; ".join(balance.words for balance in each.balances),
            "digest": each.digest,
        }
        for each in map(shown_statement, kept)
    ]


async def close_statement(one: str, other: str, month: str, *, is_held_paid: bool) -> dict[str, Any]:
    """Closes a month; ``is_held_paid``: with what the check holds."""
    pair = pair_or_fail(one, other)
    month_or_fail(month)
    async with services_of_now() as services:
        try:
            statement, is_new = await settling.close(services, pair, month, is_held_paid=is_held_paid)
            _, edition = await settling.version_of(services, pair, month)
        except (NotClosable, MissingRate) as error:
            fail(str(error))
    return {
        "statement": statement.id,
        "number": edition.number(statement),
        "state": "CLOSED",
        "new": is_new,
        "CDRs": len(statement.lines),
        "payable": [balance.words for balance in statement.balances],
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
        async with services_of_now() as services:
            found = await reconciling.reconcile(services, pair, month, _read(file), tolerance=tolerance)
    except MalformedList as error:
        fail(f"{file}: {error}")
    except MissingRate as error:
        fail(str(error))
    rows = [_text(titled(each, MATCH)) for each in shown_matches(found, is_all=is_all)]
    for each in match_sums(found):
        row = {**dict.fromkeys(MATCH.values(), ""), "CDR": "SUM", "result": each.result, "currency": each.currency}
        rows.append(row | {"difference": shown(each.difference), "text": f"{each.cdrs} CDRs"})
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
        if is_by_entry:
            rows = [
                titled(shown_entry(each.at, each.posting, each.entry), ENTRY)
                async for page in reconciling.book_of(services, book)
                for each in page
            ]
        else:
            balances = await reconciling.balances_of_book(services, book)
            rows = [titled(each, BALANCE) for each in shown_balances(balances)]
    return [_text(row) for row in rows]
