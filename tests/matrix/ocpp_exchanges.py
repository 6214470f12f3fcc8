"""A pytest plugin: which messages of OCPP went between hub and station in the tests that passed, printed as a table;
fails when a message of a version is missing.

Loaded by ``make matrix-ocpp``, which prints all of it, and by ``make test``. Nobody claims a cell: what was said while
a test ran counts, where the test passed and is marked ``ocpp_exchange``: it looks at what comes of it.

- From a station: the hub took it (no CALLERROR) and made a fact of it, or asked whether the token may charge. Beside
  the test stand the names of the facts.
- To a station: the hub sent it, fit for its schema, and took the answer. Beside the test stands on whose behalf: an
  operator's verb, a partner's command, ``CALL_RAW``, or the hub's own greeting.
"""

from collections import defaultdict
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from adapters.ocpp.answering import Reception
from adapters.ocpp.asking import Dispatch
from adapters.ocpp.authorizing import Authorizing
from adapters.ocpp.frames import CallResult
from adapters.ocpp.recording import Desk
from adapters.ocpp.station import Refused, Station
from tests.matrix.ocpp import TO_HUB, TO_STATION, Cell, blocks, every_cell, reasons
from tests.matrix.proving import Row, Table, line

MARK, SAID = "ocpp_exchange", "ocpp_said"
RAW, GREETING = "CALL_RAW", "greeting"
_seen: set[tuple[str, str, str, str]] = set()
"""Of the test that runs: message, version, direction, and what it became or whose it is."""
_facts: ContextVar[set[str] | None] = ContextVar("facts", default=None)
_verb: ContextVar[str] = ContextVar("verb", default=GREETING)
_WIDTHS = (22, 34, 7, 15, 26)


class OcppTable(Table):
    """Messages by version and direction."""

    title = "OCPP: block, message, version, direction, becomes or is sent for, test"
    kinds = (SAID,)

    def __init__(self, told: Mapping[Cell, str]) -> None:
        super().__init__()
        self._reasons = told
        self._becomes: dict[Row, set[str]] = defaultdict(set)
        self._by_hand: set[Row] = set()
        """Proven by a raw call only."""

    def take(self, properties: Sequence[tuple[str, Row]], test: str) -> None:
        """See ``Table``. A verb of its own is a better proof than a raw call."""
        for _, (*where, what) in properties:
            cell = Cell(*where)
            if what == RAW and self.proofs.get(cell) and cell not in self._by_hand:
                continue
            if what == RAW:
                self._by_hand.add(cell)
            elif cell in self._by_hand:
                self._by_hand.discard(cell)
                self.proofs[cell].clear()
                self._becomes[cell].clear()
            self.proofs[cell].append(test)
            self._becomes[cell].update(what.split("+"))

    def is_whole(self, config: pytest.Config) -> bool:
        """See ``Table``."""
        return bool(config.getoption("whole_table", default=False))

    def lines(self) -> Iterator[str]:
        """See ``Table``."""
        for cell in every_cell():
            if self.proofs.get(cell) or cell in self._reasons:
                yield self._line(cell)

    def gaps(self) -> Sequence[str]:
        """See ``Table``. A reason for what is proven is one gap more: it misleads."""
        missing = [self._line(cell) for cell in every_cell() if not self.proofs.get(cell) and cell not in self._reasons]
        stale = [f"{' '.join(cell)}: proven, and ocpp_reasons.tsv says why not" for cell in self._reasons]
        return missing + [text for cell, text in zip(self._reasons, stale, strict=True) if self.proofs.get(cell)]

    def summary(self) -> Sequence[str]:
        """See ``Table``."""
        cells = every_cell()
        proven = [cell for cell in cells if self.proofs.get(cell)]
        missing = len(cells) - len(proven) - len([cell for cell in self._reasons if cell not in proven])
        raw = len([cell for cell in proven if cell in self._by_hand])
        return (
            f"{len(proven)} of {len(cells)} messages proven ({raw} of them as raw calls only), "
            f"{len(self._reasons)} with a reason, {missing} missing",
        )

    def _line(self, cell: Cell) -> str:
        # What comes of most messages is one or two facts; of a transaction it is more than fits a line
        becomes = ", ".join(sorted(self._becomes.get(cell, ())))
        shown = becomes if len(becomes) < _WIDTHS[-1] else f"{becomes[: _WIDTHS[-1] - 2]}…"
        reason = self._reasons.get(cell)
        otherwise = f"reason: {reason}" if reason else "MISSING"
        columns = (blocks()[cell.message][1], *cell, shown)
        return line(columns, _WIDTHS, self.proofs.get(cell, ()), otherwise=otherwise)


def _version(station: Station) -> str:
    return station.protocol.removeprefix("ocpp")


def _watch_answers() -> None:
    answer, record, asked, kept = Reception.__call__, Desk.record, Authorizing.before_start, Authorizing.for_start

    async def answering(self: Reception, station: Station, request: Any) -> Any:
        token = _facts.set(facts := set())
        try:
            outcome = await answer(self, station, request)
        finally:
            _facts.reset(token)
        if facts and not isinstance(outcome, Refused):
            _seen.add((request.call.action, _version(station), TO_HUB, "+".join(sorted(facts))))
        return outcome

    async def recording(self: Desk, station: Station, facts: Any) -> None:
        await record(self, station, facts)
        _add(*(type(fact.message).__name__ for fact in facts))

    async def before_start(self: Authorizing, *args: Any) -> Any:
        _add("Authorization")
        return await asked(self, *args)

    async def for_start(self: Authorizing, *args: Any, **fields: Any) -> Any:
        _add("Authorization")
        return await kept(self, *args, **fields)

    Reception.__call__ = answering  # type: ignore[method-assign]
    Desk.record = recording  # type: ignore[method-assign]
    Authorizing.before_start = before_start  # type: ignore[method-assign]
    Authorizing.for_start = for_start  # type: ignore[method-assign]


def _add(*names: str) -> None:
    facts = _facts.get()
    if facts is not None:
        facts.update(name for name in names if name != "StationMessageRejected")


def _watch_requests() -> None:
    call, carry_out, operate = Station.call, Dispatch.carry_out, Dispatch.carry_out_operation

    async def calling(self: Station, action: str, payload: Any, *, seconds: float) -> Any:
        answer = await call(self, action, payload, seconds=seconds)
        if isinstance(answer, CallResult):
            _seen.add((action, _version(self), TO_STATION, _verb.get()))
        return answer

    async def commanding(self: Dispatch, command: Any) -> Any:
        return await _for(command.name.value, carry_out(self, command))

    async def operating(self: Dispatch, request: Any) -> Any:
        return await _for(str(type(request.operation).__struct_config__.tag), operate(self, request))

    Station.call = calling  # type: ignore[method-assign]
    Dispatch.carry_out = commanding  # type: ignore[method-assign]
    Dispatch.carry_out_operation = operating  # type: ignore[method-assign]


async def _for(verb: str, work: Awaitable[Any]) -> Any:
    token = _verb.set(verb)
    try:
        return await work
    finally:
        _verb.reset(token)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole-table", action="store_true", help="print all of the table of OCPP messages")


def pytest_configure(config: pytest.Config) -> None:
    _watch_answers()
    _watch_requests()
    config.pluginmanager.register(OcppTable(reasons()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    _seen.clear()
    yield
    if item.get_closest_marker(MARK) is not None:
        item.user_properties.extend((SAID, entry) for entry in sorted(_seen))
