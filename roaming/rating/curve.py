"""Energy over the time of one session: the register between its readings, by straight lines.

Times are whole milliseconds since the start, energy is kWh since the first register. A register that falls is
never billed as negative energy. Knows no tariff.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final

from roaming.rating.exact import ZERO, kilowatt
from roaming.rating.rated import Finding, FindingCode
from roaming.rating.readings import PowerBetweenReadings
from roaming.rating.restrictions import Thresholds
from roaming.rating.timeline import Reading

MILLISECOND: Final = timedelta(milliseconds=1)
_GRID: Final = 4
"""Decimals of kWh at which the register is split between two readings."""


class EnergyCurve:
    """Built from the readings of one session; call under ``decimal.localcontext(EXACT)``."""

    def __init__(
        self, readings: Sequence[Reading], start: datetime, length: int, power_reading: PowerBetweenReadings
    ) -> None:
        self._power_reading = power_reading
        self.findings: list[Finding] = []
        self._times: list[int] = []
        self._kwh: list[Decimal] = []
        self._readings: list[Reading] = []
        ordered = sorted(readings, key=lambda reading: reading.at)
        for reading, rise in self._rises(ordered):
            at = (reading.at - start) // MILLISECOND
            if not 0 <= at <= length:
                text = f"reading at {reading.at} lies outside the session"
                self.findings.append(Finding(FindingCode.READING_OUTSIDE_SESSION, text))
                at = min(max(at, 0), length)
            if self._times and self._times[-1] == at:
                self._kwh[-1], self._readings[-1] = rise, reading
            else:
                self._times.append(at)
                self._kwh.append(rise)
                self._readings.append(reading)
        self.total = self._kwh[-1] if self._kwh else ZERO

    def kwh_at(self, at: int) -> Decimal:
        """Energy until ``at``; between two readings on a straight line, cut down to 0.1 Wh."""
        after = bisect_right(self._times, at)
        if after == 0:
            return ZERO
        before = self._kwh[after - 1]
        if after == len(self._times):
            return before
        rise = self._kwh[after] - before
        since, width = at - self._times[after - 1], self._times[after] - self._times[after - 1]
        exact = before * width + rise * since
        return max(before if not since else ZERO, (exact.scaleb(_GRID) // width).scaleb(-_GRID))

    def time_of(self, kwh: Decimal) -> int | None:
        """The first millisecond at which ``kwh`` have flowed; ``None``: never."""
        index = bisect_left(self._kwh, kwh)
        if index == len(self._kwh):
            return None
        if index == 0 or self._kwh[index] == kwh:
            return self._times[index]
        before, start = self._kwh[index - 1], self._times[index - 1]
        width, rise = self._times[index] - start, self._kwh[index] - before
        whole, rest = divmod((kwh - before) * width, rise)
        return start + int(whole) + bool(rest)

    def is_rising(self, at: int) -> bool | None:
        """Whether energy flows after ``at``; ``None``: too few readings to say."""
        return self._is_rising(bisect_right(self._times, at) - 1)

    def power(self, start: int, end: int) -> tuple[Decimal, Decimal]:
        """The lowest and highest kW from ``start`` until ``end``."""
        found = [self._power(index) for index in self._intervals(start, end)]
        return min(found), max(found)

    def current(self, start: int, end: int) -> tuple[Decimal | None, Decimal | None]:
        """The lowest and highest ampere from ``start`` until ``end``; ``None``: not reported throughout."""
        found = [self._current(index) for index in self._intervals(start, end)]
        known = [current for current in found if current is not None]
        return (min(known), max(known)) if len(known) == len(found) else (None, None)

    def changes(self, thresholds: Thresholds, *, is_flow_asked: bool) -> Iterator[int]:
        """When power or current pass a threshold and, if asked, when energy begins or ceases to flow."""
        power, current = sorted(thresholds.power), sorted(thresholds.current)

        def class_of(index: int) -> tuple[int, int, bool]:
            ampere = self._current(index) if current else None
            return (
                bisect_right(power, self._power(index)) if power else 0,
                -1 if ampere is None else bisect_right(current, ampere),
                is_flow_asked and self._is_rising(index) is False,
            )

        before = class_of(-1)
        for index, at in enumerate(self._times):
            after = class_of(index)
            if after != before:
                yield at
            before = after

    def _intervals(self, start: int, end: int) -> range:
        """The readings whose intervals meet ``start`` to ``end``; -1 stands for the time before the first."""
        first = bisect_right(self._times, start) - 1
        return range(first, max(bisect_left(self._times, end), first + 1))

    def _is_rising(self, index: int) -> bool | None:
        if index < 0 or len(self._times) == 1:
            return None
        index = min(index, len(self._times) - 2)
        return self._kwh[index + 1] > self._kwh[index]

    def _power(self, index: int) -> Decimal:
        return ZERO if index < 0 else self._powers[index]

    @cached_property
    def _powers(self) -> list[Decimal]:
        return [self._power_from(index) for index in range(len(self._times))]

    def _power_from(self, index: int) -> Decimal:
        reported = self._readings[index].power_w
        if self._power_reading is PowerBetweenReadings.REPORTED and reported is not None:
            return reported.scaleb(-3)
        if index + 1 == len(self._times):
            return ZERO
        width = self._times[index + 1] - self._times[index]
        return kilowatt(self._kwh[index + 1] - self._kwh[index], width * 1000)

    def _current(self, index: int) -> Decimal | None:
        return None if index < 0 else self._readings[index].current_a

    def _rises(self, ordered: Sequence[Reading]) -> list[tuple[Reading, Decimal]]:
        """Each usable reading with the energy since the first, never falling.

        With the last register at or above the first, energy is their difference and a reading outside what lies
        around it is ignored: one wrong sample must not bill. Otherwise the counter began anew and the rises count.
        """
        if not ordered:
            return []
        first, last = ordered[0].register_wh, ordered[-1].register_wh
        if last < first:
            return self._rises_of_reset(ordered)
        found: list[tuple[Reading, Decimal]] = []
        highest = first
        for reading in ordered:
            register = reading.register_wh
            if not highest <= register <= last:
                text = f"register {register} Wh at {reading.at} does not lie between {highest} and {last} Wh"
                self.findings.append(Finding(FindingCode.READING_IGNORED, text))
                continue
            highest = register
            found.append((reading, (register - first).scaleb(-3)))
        return found

    def _rises_of_reset(self, ordered: Sequence[Reading]) -> list[tuple[Reading, Decimal]]:
        found: list[tuple[Reading, Decimal]] = []
        previous, rise = ordered[0].register_wh, ZERO
        for reading in ordered:
            register = reading.register_wh
            if register < previous:
                text = f"register fell from {previous} to {register} Wh at {reading.at}; only its rises are counted"
                self.findings.append(Finding(FindingCode.REGISTER_FELL, text))
            rise += max(register - previous, ZERO)
            previous = register
            found.append((reading, rise.scaleb(-3)))
        return found
