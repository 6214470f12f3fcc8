"""Tables of payments."""

from typing import ClassVar

from roaming.store.documents import DocumentRow


class TerminalRow(DocumentRow, table=True):
    """A terminal as one document. Its owner is the PTP; ``scope`` is the CPO that it is for."""

    __tablename__ = "payment_terminals"
    MODULE: ClassVar[str] = "payment_terminals"


class ConfirmationRow(DocumentRow, table=True):
    """A financial advice confirmation as one document, owned and scoped alike."""

    __tablename__ = "payment_confirmations"
    MODULE: ClassVar[str] = "payment_confirmations"
