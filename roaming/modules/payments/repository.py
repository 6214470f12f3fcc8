"""Where terminals and financial advice confirmations are kept."""

from roaming.modules.payments.model import FinancialAdviceConfirmation, Terminal
from roaming.modules.payments.tables import ConfirmationRow, TerminalRow
from roaming.store.documents import Documents
from roaming.store.shelves import Shelf, Shelves

TERMINALS = Shelf(
    path="terminals",
    documents=Documents(TerminalRow),
    of=Terminal,
    id_of=lambda terminal: str(terminal.terminal_id),
)
CONFIRMATIONS = Shelf(
    path="financial-advice-confirmations", documents=Documents(ConfirmationRow), of=FinancialAdviceConfirmation
)
SHELVES = Shelves(TERMINALS, CONFIRMATIONS)
