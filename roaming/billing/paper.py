"""Pages of PDF/A-3 with headings and tables. Needs the library ``fpdf2`` (extras ``exports``, ``invoices``).

The font is part of the file, with the letters of Latin, Greek and Cyrillic; others are shown as boxes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from roaming.billing.checks.amounts import shown
from roaming.billing.rows import CannotExport

FONTS = Path(__file__).parent / "fonts"
_MISSING = "PDF needs a library that is not installed: pip install 'roaming-hub[exports]'"
_SMALL, _PLAIN, _LARGE = 7, 9, 15
_LINE = 1.4
"""Of a font's size."""
_POINT = 25.4 / 72
MOST_ROWS = 2000
"""Nobody reads more on paper, and a row takes some milliseconds."""
_GREY = (90, 90, 90)
_PADDING = 1.4
"""Beside what is in a cell, in mm."""
_BESIDE = 3
"""The same, in letters."""
_FEWEST = 3
"""Letters, of the width of a square, that any cell has room for in a line."""
_NARROWEST = 4
"""Letters that a column has room for at the least."""


class Paper:
    """A document of A4 pages."""

    def __init__(self, title: str, *, made_at: datetime, is_wide: bool = False) -> None:
        """``made_at`` is kept in the file: the same document is the same octets. Raises ``CannotExport``."""
        try:
            from fpdf import FPDF
        except ImportError:
            raise CannotExport(
                "PDF needs a library that is not installed: pip install 'roaming-hub[exports]'"
            ) from None

        class Numbered(FPDF):
            def footer(self) -> None:
                self.set_y(-12)
                self.set_font("Sans", size=_SMALL)
                self.set_text_color(*_GREY)
                self.cell(0, 5, f"{title}   {self.page_no()} / {{nb}}", align="R")

        self._pdf: Any = Numbered(orientation="L" if is_wide else "P", format="A4", enforce_compliance="PDF/A-3B")
        for style, file in (("", "DejaVuSansCondensed.ttf"), ("B", "DejaVuSansCondensed-Bold.ttf")):
            self._pdf.add_font("Sans", style, FONTS / file)
        self._pdf.set_creation_date(made_at)
        self._pdf.set_title(title)
        self._pdf.set_lang("en")
        self._pdf.set_margin(15)
        self._pdf.set_auto_page_break(True, margin=18)
        self._pdf.add_page()

    def heading(self, text: str, *, is_first: bool = False) -> None:
        """Above what follows; ``is_first``: the document's own."""
        size = _LARGE if is_first else _PLAIN + 1
        if not is_first:
            self._pdf.ln(3)
        self._write(text, size=size, style="B")

    def text(self, *lines: str) -> None:
        """Lines, each as long as it is."""
        for line in lines:
            if line:
                self._write(line, size=_PLAIN)

    def small(self, *lines: str) -> None:
        """The same in small print."""
        for line in lines:
            self._write(line, size=_SMALL)

    def beside(self, left: Sequence[str], right: Sequence[str]) -> None:
        """Two blocks of text side by side, the first line of each in bold."""
        top, width = self._pdf.get_y(), self._pdf.epw / 2
        bottom = top
        for number, block in enumerate((left, right)):
            self._pdf.set_y(top)
            for at, line in enumerate(line for line in block if line):
                self._pdf.set_x(self._pdf.l_margin + number * width)
                self._write(line, size=_PLAIN, style="" if at else "B", width=width - 4)
            bottom = max(bottom, self._pdf.get_y())
        self._pdf.set_y(bottom + 3)

    def table(self, rows: Sequence[Mapping[str, Any]], *, numbers: Collection[str] = (), size: int = _SMALL) -> None:
        """Rows of one shape; the header is repeated on each page. Columns are as wide as what is in them. Of more than
        ``MOST_ROWS`` the first, and a line says how many more there are."""
        if not rows:
            return
        if len(rows) > MOST_ROWS:
            self.small(f"The first {MOST_ROWS} of {len(rows)}: CSV and Parquet hold all of them.")
            rows = rows[:MOST_ROWS]
        plain = [[_plain(value) for value in row.values()] for row in rows]
        names = list(rows[0])
        longest = [
            _BESIDE + max(_NARROWEST, *map(len, name.split()), *(min(len(row[at]), 40) for row in plain))
            for at, name in enumerate(names)
        ]
        widths = _widths(longest, room=self._pdf.epw, least=2 * _PADDING + _FEWEST * size * _POINT)
        self._pdf.set_font("Sans", size=size)
        self._pdf.set_text_color(0, 0, 0)
        with self._pdf.table(
            col_widths=widths,
            text_align=["RIGHT" if name in numbers else "LEFT" for name in names],
            line_height=size * _POINT * _LINE,
            borders_layout="HORIZONTAL_LINES",
            padding=(0.6, _PADDING),
        ) as table:
            for cells in (names, *plain):
                table.row(cells)
        self._pdf.ln(1)

    def done(self) -> bytes:
        """The file."""
        return bytes(self._pdf.output())

    def _write(self, text: str, *, size: float, style: str = "", width: float = 0) -> None:
        self._pdf.set_font("Sans", style=style, size=size)
        self._pdf.set_text_color(0, 0, 0)
        self._pdf.multi_cell(width, size * _POINT * _LINE, text, align="L", new_x="LMARGIN", new_y="NEXT")


def _widths(wanted: Sequence[int], *, room: float, least: float) -> list[float]:
    """Of columns, in mm: by what they want, and none so narrow that nothing fits in it."""
    narrow: set[int] = set()
    while True:
        others = {at: width for at, width in enumerate(wanted) if at not in narrow}
        share = (room - least * len(narrow)) / max(sum(others.values()), 1)
        more = {at for at, width in others.items() if width * share < least}
        if not more or len(narrow | more) == len(wanted):
            return [least if at in narrow else width * share for at, width in enumerate(wanted)]
        narrow |= more


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return shown(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)


def columns(rows: Iterable[Mapping[str, Any]], without: Collection[str]) -> list[dict[str, Any]]:
    """The rows without some of their columns."""
    return [{name: value for name, value in row.items() if name not in without} for row in rows]
