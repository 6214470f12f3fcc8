"""The entries of the ledger: double entry, per party a book, every posting balanced by book and currency. Pure.

What is posted is never changed: a statement that is reopened is reversed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from roaming.billing.checks.amounts import SUMS, ZERO
from roaming.billing.statement import Balance, FeeLine, Line, Statement, Status

RECEIVABLE, PAYABLE = "receivable", "payable"
REVENUE, COSTS = "charging revenue", "charging costs"
FEE_REVENUE, FEE_COSTS = "fee revenue", "fee costs"
OUTPUT_TAX, INPUT_TAX = "output tax", "input tax"
ROUNDING = "rounding"
EXCHANGE = "exchange"
"""What went over from one currency to another: by its balances it can be seen at which rate."""
DUE = "due by statement"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One side of a posting: exactly one of ``debit`` and ``credit`` is above zero, or both are zero."""

    book: str
    account: str
    counterparty: str
    currency: str
    debit: Decimal
    credit: Decimal
    cdr_key: str = ""
    statement_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Posting:
    """Entries that belong together, under an id that is the same however often they are made."""

    id: str
    entries: tuple[Entry, ...]


def _entry(book: str, account: str, other: str, currency: str, amount: Decimal, **about: str) -> Entry:
    """``amount`` on the debit side; a negative one on the credit side."""
    return Entry(
        book=book,
        account=account,
        counterparty=other,
        currency=currency,
        debit=max(amount, ZERO),
        credit=max(-amount, ZERO),
        **about,
    )


def posting_of_cdr(line: Line) -> Posting:
    """A CDR in the books of both parties, disputed or not: it was issued. A credit has the sides exchanged. In its own
    currency, whatever it is settled in."""
    cpo, emsp, stated = line.cpo, line.emsp, line.stated
    currency = stated.currency
    entries = [
        _entry(cpo, RECEIVABLE, emsp, currency, stated.gross, cdr_key=line.key),
        _entry(cpo, REVENUE, emsp, currency, -stated.net, cdr_key=line.key),
        _entry(emsp, COSTS, cpo, currency, stated.net, cdr_key=line.key),
        _entry(emsp, PAYABLE, cpo, currency, -stated.gross, cdr_key=line.key),
    ]
    for part in stated.taxes:
        if part.amount:
            entries.append(_entry(cpo, f"{OUTPUT_TAX} {part.rate}", emsp, currency, -part.amount, cdr_key=line.key))
            entries.append(_entry(emsp, f"{INPUT_TAX} {part.rate}", cpo, currency, part.amount, cdr_key=line.key))
    return Posting(id=f"cdr/{line.key}", entries=tuple(entries))


def postings_of_closing(statement: Statement, closing: int) -> list[Posting]:
    """Fees, rounding, what is settled in another currency moved to that, and what was owed for counted CDRs and fees
    moved to what is due, when a statement is closed for the ``closing``-th time."""
    stem = f"{statement.id}/{closing}"
    with localcontext(SUMS):
        return _of_closing(statement, stem)


def _of_closing(statement: Statement, stem: str) -> list[Posting]:
    postings = [_posting_of_fee(fee, f"fee/{stem}/{number}", statement.id) for number, fee in enumerate(statement.fees)]
    postings += _postings_of_exchange(statement, stem)
    for number, balance in enumerate(statement.balances):
        postings.append(_posting_of_balance(balance, statement, f"due/{stem}/{number}"))
    return [posting for posting in postings if posting.entries]


def _posting_of_fee(fee: FeeLine, id: str, statement_id: str) -> Posting:
    payer, payee, currency = fee.payer, fee.payee, fee.currency
    gross = fee.net + fee.tax
    about = {"statement_id": statement_id}
    entries = [
        _entry(payee, RECEIVABLE, payer, currency, gross, **about),
        _entry(payee, FEE_REVENUE, payer, currency, -fee.net, **about),
        _entry(payer, FEE_COSTS, payee, currency, fee.net, **about),
        _entry(payer, PAYABLE, payee, currency, -gross, **about),
    ]
    if fee.tax:
        entries.append(_entry(payee, f"{OUTPUT_TAX} {fee.rate}", payer, currency, -fee.tax, **about))
        entries.append(_entry(payer, f"{INPUT_TAX} {fee.rate}", payee, currency, fee.tax, **about))
    return Posting(id=id, entries=tuple(entries) if gross else ())


def _postings_of_exchange(statement: Statement, stem: str) -> list[Posting]:
    """One for each direction and currency that is settled in another."""
    sums: dict[tuple[str, str, str, str], tuple[Decimal, Decimal]] = {}
    for line in statement.lines:
        if line.conversion is not None and line.status is Status.COUNTED:
            place = (line.cpo, line.emsp, line.conversion.currency, line.currency)
            stated, settled = sums.get(place, (ZERO, ZERO))
            sums[place] = (stated + line.conversion.gross, settled + line.gross)
    postings = []
    for number, ((cpo, emsp, one, other), (stated, settled)) in enumerate(sorted(sums.items())):
        entries: list[Entry] = []
        for currency, amount in ((one, -stated), (other, settled)):
            about = {"statement_id": statement.id}
            entries += [
                _entry(cpo, RECEIVABLE, emsp, currency, amount, **about),
                _entry(cpo, EXCHANGE, emsp, currency, -amount, **about),
                _entry(emsp, PAYABLE, cpo, currency, -amount, **about),
                _entry(emsp, EXCHANGE, cpo, currency, amount, **about),
            ]
        postings.append(Posting(id=f"exchange/{stem}/{number}", entries=tuple(entries)))
    return postings


def _posting_of_balance(balance: Balance, statement: Statement, id: str) -> Posting:
    """In both books: receivable and payable of what is settled go away, what is due comes, the rest is rounding."""
    currency = balance.currency
    entries: list[Entry] = []
    for book, other in ((balance.creditor, balance.debtor), (balance.debtor, balance.creditor)):
        claims, debts = _open(statement, book, other, currency)
        due = balance.payable if book == balance.creditor else -balance.payable
        amounts = (
            (RECEIVABLE, -claims),
            (PAYABLE, debts),
            (DUE, due),
            (ROUNDING, claims - debts - due),
        )
        about = {"statement_id": statement.id}
        entries += [_entry(book, account, other, currency, amount, **about) for account, amount in amounts if amount]
    return Posting(id=id, entries=tuple(entries))


def _open(statement: Statement, book: str, other: str, currency: str) -> tuple[Decimal, Decimal]:
    """What ``other`` owes ``book`` for counted CDRs and fees, and the other way round."""
    claims = debts = ZERO
    for line in statement.lines:
        if line.status is Status.COUNTED and line.currency == currency:
            claims += line.gross if (line.cpo, line.emsp) == (book, other) else ZERO
            debts += line.gross if (line.cpo, line.emsp) == (other, book) else ZERO
    for fee in statement.fees:
        if fee.currency == currency:
            claims += fee.net + fee.tax if (fee.payee, fee.payer) == (book, other) else ZERO
            debts += fee.net + fee.tax if (fee.payee, fee.payer) == (other, book) else ZERO
    return claims, debts


def reversal_of(posting: Posting) -> Posting:
    """Debit and credit exchanged, under an id of its own."""
    return Posting(
        id=f"reversal/{posting.id}",
        entries=tuple(replace(entry, debit=entry.credit, credit=entry.debit) for entry in posting.entries),
    )


def balances_of(entries: Iterable[Entry]) -> dict[tuple[str, str, str, str], Decimal]:
    """Debit less credit by (book, account, counterparty, currency)."""
    found: dict[tuple[str, str, str, str], Decimal] = {}
    with localcontext(SUMS):
        for entry in entries:
            place = (entry.book, entry.account, entry.counterparty, entry.currency)
            found[place] = found.get(place, ZERO) + entry.debit - entry.credit
    return found
