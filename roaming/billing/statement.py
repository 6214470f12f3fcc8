"""What two parties owe each other for a month, from nothing but CDRs, open disputes and terms. Pure.

The same CDRs give the same statement on both sides: the order is fixed, amounts are exact, and the sum per currency is
rounded once, with the rounding as a line.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from typing import NamedTuple

import msgspec

from roaming.billing.checks.amounts import SUMS, ZERO, shown
from roaming.billing.exchange.rates import MissingRate, Rate, Rates, converted, joined
from roaming.billing.months import bounds_of, month_of
from roaming.billing.terms import Disputed, Exchange, Fee, FeeKind, RateDay, Side, Terms
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.rating.readings import Rounding

NOT_STATED = "not stated"
"""Rate of a tax whose percentage neither the CDR nor its tariff says."""
UNKNOWN = "unknown"
"""Rate where a CDR does not say whether taxes are due at all."""
_MINOR = dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"), 0)
_MINOR |= dict.fromkeys(("XAF", "XOF", "XPF"), 0)
_MINOR |= dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
CENT = Decimal("0.01")


class Status(StrEnum):
    """What a line does to the net."""

    COUNTED = "COUNTED"
    DISPUTED = "DISPUTED"
    """It is withheld."""


class TaxPart(msgspec.Struct, frozen=True):
    """The tax of one rate."""

    rate: str
    base: Decimal
    amount: Decimal


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What a CDR says that is settled in another currency, and the rates it was converted by."""

    currency: str
    net: Decimal
    taxes: tuple[TaxPart, ...]
    gross: Decimal
    rates: tuple[Rate, ...]
    """One, or two against the base of their source."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One CDR on a statement. ``currency``, ``net``, ``taxes`` and ``gross``: as it is settled."""

    cpo: str
    emsp: str
    cdr_id: str
    key: str
    is_credit: bool
    credits: str
    """Of a credit: the CDR that it takes back."""
    session_id: str
    month: str
    """Of its end; another than the statement's for one that came after its month was closed."""
    ended: datetime
    location: str
    kwh: Decimal
    currency: str
    net: Decimal
    taxes: tuple[TaxPart, ...]
    gross: Decimal
    status: Status
    conversion: Conversion | None = None
    """``None``: it is settled in its own currency."""

    @property
    def stated(self) -> "Line | Conversion":
        """Currency and amounts as the CDR says."""
        return self.conversion or self


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """The CDRs of one direction in one currency."""

    cpo: str
    emsp: str
    currency: str
    cdrs: int
    credits: int
    disputed: int
    kwh: Decimal
    """Counted, less what was credited."""
    issued: Decimal
    """Before taxes, of CDRs that are no credits, disputed or not."""
    credited: Decimal
    withheld: Decimal
    """Of disputed ones that are not in the net."""
    net: Decimal
    """Before taxes, to be paid."""
    taxes: tuple[TaxPart, ...]
    gross: Decimal


class FeeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One fee of one direction in one currency."""

    fee: str
    cpo: str
    emsp: str
    payer: str
    payee: str
    currency: str
    quantity: Decimal
    net: Decimal
    rate: str
    tax: Decimal


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Who owes whom in the end, in one currency."""

    debtor: str
    creditor: str
    currency: str
    exact: Decimal
    rounding: Decimal
    payable: Decimal

    @property
    def words(self) -> str:
        """Such as ``DE-EMS owes NL-TNM 19.80 EUR``."""
        return f"{self.debtor} owes {self.creditor} {self.payable:f} {self.currency}"


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """Between two parties for one month; ``one`` comes first in the alphabet."""

    id: str
    one: str
    other: str
    month: str
    lines: tuple[Line, ...]
    totals: tuple[Total, ...]
    fees: tuple[FeeLine, ...]
    balances: tuple[Balance, ...]
    digest: str = ""


class Billed(NamedTuple):
    """A CDR as a statement takes it."""

    key: str
    cdr: CDR
    is_disputed: bool


class Pair(NamedTuple):
    """Two parties in the order of the alphabet."""

    one: PartyId
    other: PartyId


def pair_of(one: PartyId, other: PartyId) -> Pair:
    """The two, whichever is named first."""
    return Pair(*sorted((one, other)))


def statement_id(pair: Pair, month: str) -> str:
    """The same on both sides."""
    return f"{pair.one}_{pair.other}_{month}"


class Edition(NamedTuple):
    """How a statement stands: OPEN (as it would be now), CLOSED or REOPENED, and which version of it this is."""

    state: str
    version: int = 1
    """One more for each time that it was closed before."""

    def number(self, statement: Statement) -> str:
        """What people and documents call it."""
        return number_of(statement.id, self.version)


def number_of(id: str, version: int) -> str:
    """Of a version of a statement: the first one goes by the statement's id.

    >>> number_of("DE-EMS_NL-TNM_2026-10", 2)
    'DE-EMS_NL-TNM_2026-10-V2'
    """
    return id if version < 2 else f"{id}-V{version}"


def taxes_of(cdr: CDR) -> tuple[TaxPart, ...]:
    """The taxes of a CDR by rate. Where only their sum is told (2.2.1), the one rate of its tariffs counts if it gives
    that sum."""
    cost = cdr.total_cost
    if cost.taxes is None:
        return (TaxPart(UNKNOWN, cost.before_taxes, ZERO),)
    if not cost.taxes:
        return (TaxPart("0", cost.before_taxes, ZERO),)
    if len(cost.taxes) == 1:
        tax = cost.taxes[0]
        rate = shown(tax.percentage) if tax.percentage is not None else _only_rate(cdr, tax.amount)
        return (TaxPart(rate, cost.before_taxes, tax.amount),)
    return tuple(
        TaxPart(NOT_STATED, ZERO, tax.amount)
        if not tax.percentage
        else TaxPart(shown(tax.percentage), (tax.amount * 100 / tax.percentage).quantize(Decimal("0.0001")), tax.amount)
        for tax in cost.taxes
    )


def _only_rate(cdr: CDR, amount: Decimal) -> str:
    rates = {
        part.vat or ZERO for tariff in cdr.tariffs for element in tariff.elements for part in element.price_components
    }
    if len(rates) == 1 and abs(cdr.total_cost.before_taxes * (rate := rates.pop()) / 100 - amount) <= CENT:
        return shown(rate)
    return NOT_STATED


def line_of(billed: Billed, *, is_withheld: bool) -> Line:
    """A CDR as a line."""
    cdr, taxes = billed.cdr, taxes_of(billed.cdr)
    return Line(
        cpo=str(PartyId.of(cdr.country_code, cdr.party_id)),
        emsp=str(PartyId.of(cdr.cdr_token.country_code, cdr.cdr_token.party_id)),
        cdr_id=cdr.id,
        key=billed.key,
        is_credit=bool(cdr.credit),
        credits=cdr.credit_reference_id or "" if cdr.credit else "",
        session_id=cdr.session_id or "",
        month=month_of(cdr.end_date_time),
        ended=cdr.end_date_time,
        location=cdr.cdr_location.id,
        kwh=-cdr.total_energy if cdr.credit else cdr.total_energy,
        currency=cdr.currency.upper(),
        net=cdr.total_cost.before_taxes,
        taxes=taxes,
        gross=cdr.total_cost.before_taxes + sum((part.amount for part in taxes), ZERO),
        status=Status.DISPUTED if billed.is_disputed and is_withheld else Status.COUNTED,
    )


def rate_day(line: Line, exchange: Exchange) -> date:
    """Of which day the rate counts: the same for a CDR and its credit, whenever either came."""
    if exchange.day is RateDay.CHARGE:
        return line.ended.astimezone(UTC).date()
    return bounds_of(line.month)[1].date() - timedelta(days=1)


def is_converted(line: Line, exchange: Exchange) -> bool:
    """It is in another currency than what the two settle in."""
    return exchange.currency not in ("", line.currency)


def settled_in(line: Line, exchange: Exchange, rates: Rates) -> Line:
    """The line as the two settle it: every amount converted and rounded by itself, so that a credit takes back what its
    CDR came to. Raises ``MissingRate``."""
    if not is_converted(line, exchange):
        return line
    currency = exchange.currency
    found = rates.between(exchange.source, line.currency, currency, rate_day(line, exchange))
    net = converted(line.net, found, currency)
    taxes = tuple(
        TaxPart(part.rate, converted(part.base, found, currency), converted(part.amount, found, currency))
        for part in line.taxes
    )
    return msgspec.structs.replace(
        line,
        currency=currency,
        net=net,
        taxes=taxes,
        gross=net + sum((part.amount for part in taxes), ZERO),
        conversion=Conversion(currency=line.currency, net=line.net, taxes=line.taxes, gross=line.gross, rates=found),
    )


def state(
    pair: Pair,
    month: str,
    billed: Iterable[Billed],
    terms: Mapping[tuple[str, str], Terms],
    rates: Rates | None = None,
) -> Statement:
    """The statement; ``terms`` by (CPO, eMSP), where there are any. Raises ``MissingRate`` naming all that are."""
    with localcontext(SUMS):
        lines = []
        lacks: list[MissingRate] = []
        for each in billed:
            line = line_of(each, is_withheld=True)
            agreed = terms.get((line.cpo, line.emsp), Terms())
            if agreed.disputed is Disputed.PAID:
                line = line_of(each, is_withheld=False)
            try:
                lines.append(settled_in(line, agreed.exchange, rates or Rates()))
            except MissingRate as error:
                lacks.append(error)
        if lacks:
            raise joined(lacks)
        lines.sort(key=lambda line: (line.ended, line.cpo, line.key))
        totals, fees = [], []
        for cpo, emsp, currency in sorted({(line.cpo, line.emsp, line.currency) for line in lines}):
            own = [line for line in lines if (line.cpo, line.emsp, line.currency) == (cpo, emsp, currency)]
            total = _total(cpo, emsp, currency, own)
            totals.append(total)
            agreed = terms.get((cpo, emsp), Terms())
            fees += [_fee(fee, total, agreed) for fee in agreed.fees if fee.currency in ("", currency)]
        balances = _balances(pair, totals, fees, terms)
        made = Statement(
            id=statement_id(pair, month),
            one=str(pair.one),
            other=str(pair.other),
            month=month,
            lines=tuple(lines),
            totals=tuple(totals),
            fees=tuple(fees),
            balances=tuple(balances),
        )
    return msgspec.structs.replace(made, digest=digest_of(made))


def _total(cpo: str, emsp: str, currency: str, lines: list[Line]) -> Total:
    counted = [line for line in lines if line.status is Status.COUNTED]
    taxes: dict[str, TaxPart] = {}
    for part in (part for line in counted for part in line.taxes):
        before = taxes.get(part.rate, TaxPart(part.rate, ZERO, ZERO))
        taxes[part.rate] = TaxPart(part.rate, before.base + part.base, before.amount + part.amount)
    return Total(
        cpo=cpo,
        emsp=emsp,
        currency=currency,
        cdrs=sum(not line.is_credit for line in lines),
        credits=sum(line.is_credit for line in lines),
        disputed=sum(line.status is Status.DISPUTED for line in lines),
        kwh=sum((line.kwh for line in counted), ZERO),
        issued=sum((line.net for line in lines if not line.is_credit), ZERO),
        credited=sum((line.net for line in lines if line.is_credit), ZERO),
        withheld=sum((line.net for line in lines if line.status is Status.DISPUTED), ZERO),
        net=sum((line.net for line in counted), ZERO),
        taxes=tuple(taxes[rate] for rate in sorted(taxes)),
        gross=sum((line.gross for line in counted), ZERO),
    )


def _fee(fee: Fee, total: Total, terms: Terms) -> FeeLine:
    quantity = {
        FeeKind.SESSION: Decimal(total.cdrs - total.credits - total.disputed),
        FeeKind.KWH: total.kwh,
        FeeKind.PERCENT: total.net,
    }[fee.kind]
    net = quantity * fee.amount / (100 if fee.kind is FeeKind.PERCENT else 1)
    parties = {Side.CPO: total.cpo, Side.EMSP: total.emsp, Side.HUB: terms.hub}
    return FeeLine(
        fee=str(fee),
        cpo=total.cpo,
        emsp=total.emsp,
        payer=parties[fee.paid_by],
        payee=parties[fee.paid_to],
        currency=total.currency,
        quantity=quantity,
        net=net,
        rate="0" if fee.vat is None else shown(fee.vat),
        tax=ZERO if fee.vat is None else net * fee.vat / 100,
    )


def _balances(
    pair: Pair, totals: Iterable[Total], fees: Iterable[FeeLine], terms: Mapping[tuple[str, str], Terms]
) -> list[Balance]:
    """Netted per pair of parties and currency; a fee to the hub is a balance of its own."""
    owed: dict[tuple[str, str, str], Decimal] = {}

    def owe(debtor: str, creditor: str, currency: str, amount: Decimal) -> None:
        first, second = sorted((debtor, creditor))
        sign = 1 if debtor == first else -1
        owed[first, second, currency] = owed.get((first, second, currency), ZERO) + sign * amount

    for total in totals:
        owe(total.emsp, total.cpo, total.currency, total.gross)
    for fee in fees:
        owe(fee.payer, fee.payee, fee.currency, fee.net + fee.tax)
    modes = {each.rounding for each in terms.values()} or {Rounding.HALF_UP}
    # Two directions that round differently: the one that both sides find, whoever asks
    rounding = ROUND_HALF_EVEN if modes == {Rounding.HALF_EVEN} else ROUND_HALF_UP
    found = []
    for (first, second, currency), amount in sorted(owed.items()):
        debtor, creditor = (first, second) if amount >= 0 else (second, first)
        exact = abs(amount)
        payable = exact.quantize(minor_unit(currency), rounding)
        found.append(
            Balance(
                debtor=debtor,
                creditor=creditor,
                currency=currency,
                exact=exact,
                rounding=payable - exact,
                payable=payable,
            )
        )
    return found


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency (ISO 4217).

    >>> minor_unit("EUR"), minor_unit("JPY"), minor_unit("XPF")
    (Decimal('0.01'), Decimal('1'), Decimal('1'))
    """
    return Decimal(1).scaleb(-_MINOR.get(currency, 2))


def digest_of(statement: Statement) -> str:
    """Over all that two sides must agree on; amounts as numbers, however they were written."""

    def plain(value: object) -> object:
        if isinstance(value, Decimal):
            return shown(value)
        if isinstance(value, tuple):
            return [plain(each) for each in value]
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, msgspec.Struct):
            # What is not there says nothing: a statement without conversions has the digest it always had
            fields = {name: getattr(value, name) for name in value.__struct_fields__ if name != "digest"}
            return {name: plain(each) for name, each in fields.items() if each is not None}
        return value

    return hashlib.sha256(msgspec.json.encode(plain(statement), order="sorted")).hexdigest()
