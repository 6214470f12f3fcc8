"""A statement as PDF, for people: what is payable, the sums, taxes, fees, and every CDR."""

from roaming.billing.months import bounds_of
from roaming.billing.paper import Paper, columns
from roaming.billing.rows import NUMBERS, balances_of, fees_of, for_people, lines_of, taxes_of, totals_of
from roaming.billing.statement import Edition, Statement


def to_pdf(statement: Statement, edition: Edition) -> bytes:
    """PDF/A-3, in landscape. Raises ``CannotExport``."""
    paper = Paper(f"Statement {edition.number(statement)}", made_at=bounds_of(statement.month)[1], is_wide=True)
    paper.heading(f"Statement {edition.number(statement)}", is_first=True)
    paper.text(f"{statement.one} and {statement.other}, {statement.month}, {edition.state}")
    paper.small(f"Digest {statement.digest}: whoever holds the same CDRs, disputes and terms gets the same.")
    for balance in statement.balances:
        paper.text(f"{balance.words}.")
    tables = (
        ("Payable", balances_of(statement)),
        ("Charging", totals_of(statement)),
        ("Taxes", taxes_of(statement)),
        ("Fees", fees_of(statement)),
        ("CDRs", columns(for_people(lines_of(statement)), {"statement", "session", "month", "billed after taxes"})),
    )
    for title, rows in tables:
        if rows:
            paper.heading(title)
            paper.table(rows, numbers=NUMBERS | {"rate %"})
    if not statement.lines:
        paper.text("No CDR of both in this month.")
    return paper.done()
