"""What a table of things to prove is like, whatever they are: a pytest plugin that gathers from the tests that passed
which of them they prove, prints that, and fails the run when one is left over. Works with pytest-xdist too.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

Row = tuple[str, ...]


def line(columns: Sequence[str], widths: Sequence[int], tests: Sequence[str], *, otherwise: str = "EMPTY") -> str:
    """A line of a table, with the first test that proves it and how many more there are."""
    more = f" (+{len(tests) - 1})" if len(tests) > 1 else ""
    proof = f"{min(tests)}{more}" if tests else otherwise
    return "".join(f"{column:<{width}}" for column, width in zip(columns, widths, strict=True)) + proof


class Table(ABC):
    """The plugin. ``kind`` names the properties of a test's report that this table reads."""

    title: str
    kinds: tuple[str, ...]

    def __init__(self) -> None:
        self.proofs: dict[Row, list[str]] = defaultdict(list)

    @abstractmethod
    def take(self, properties: Sequence[tuple[str, Row]], test: str) -> None:
        """What a test that passed has to say, of this table's ``kinds``."""

    @abstractmethod
    def gaps(self) -> Sequence[str]:
        """What is not proven, a line each."""

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """The whole table, without the gaps that ``gaps`` tells."""

    @abstractmethod
    def summary(self) -> Sequence[str]:
        """How much is proven."""

    def is_whole(self, config: pytest.Config) -> bool:
        """Whether the whole table is to be printed."""
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has ended."""
        if report.when != "call" or not report.passed:
            return
        mine: list[tuple[str, Any]] = [
            (name, tuple(value)) for name, value in report.user_properties if name in self.kinds
        ]  # type: ignore[arg-type]
        if mine:
            self.take(mine, report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In the process that knows all: fails for a gap."""
        is_last = not hasattr(session.config, "workerinput")
        if is_last and session.exitstatus == 0 and self.gaps():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Prints it."""
        terminalreporter.section(self.title)
        for text in self.lines() if self.is_whole(terminalreporter.config) else ():
            terminalreporter.write_line(text)
        for text in self.gaps():
            terminalreporter.write_line(text, red=True)
        for text in self.summary():
            terminalreporter.write_line(text)
