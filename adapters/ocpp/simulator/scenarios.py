"""What simulated stations do that stations should not, by name: one row each, with what a hub makes of it.

The habits are those of stations in the field; ``shows`` names deviations as ``contracts.deviations`` does.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from adapters.ocpp.simulator import bending
from adapters.ocpp.simulator.bending import Bend, BentSocket, Socket
from adapters.ocpp.simulator.presence import Away, Hanging, Presence, Storm
from adapters.ocpp.simulator.telling import (
    InKilowattHours,
    LeavingOut,
    Repeating,
    RestartingAtZero,
    Telling,
    ValuesLast,
    WithoutStop,
)

VERSIONS: Final = ("1.6", "2.0.1", "2.1")
NEWER: Final = ("2.0.1", "2.1")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a fleet lives."""

    speed: float
    """Simulated seconds in a second."""
    storm_seconds: float
    away_hours: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One of them."""

    name: str
    does: str
    """What the stations do, for people."""
    shows: str
    """What the hub makes of it: what is counted on the station, or what becomes of the session."""
    versions: tuple[str, ...] = VERSIONS
    """Stations of others are steady."""
    telling: Callable[[], Telling] = Telling
    presence: Callable[[Pace, random.Random], Presence] = lambda _pace, _chance: Presence()
    bend: Bend | None = None
    is_deaf: bool = False
    is_broken: bool = False
    has_failing_firmware: bool = False

    def bent(self, socket: Socket) -> Socket:
        """The connection as such a station uses it."""
        if self.bend is None and not self.is_deaf and not self.is_broken:
            return socket
        return BentSocket(socket, bend=self.bend, is_deaf=self.is_deaf, is_broken=self.is_broken)


STEADY: Final = Scenario(name="steady", does="nothing strange", shows="no deviation; every charge becomes a session")
SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        STEADY,
        Scenario(
            name="reconnect-storm",
            does="all drop their connections at the same moment, again and again, and redial at once",
            shows="connections come and go; no charge is lost or doubled",
            presence=lambda pace, _: Storm(pace.storm_seconds),
        ),
        Scenario(
            name="no-boot",
            does="the same, and they come again without a BootNotification",
            shows="one boot, several connections; no charge is lost or doubled",
            presence=lambda pace, _: Storm(pace.storm_seconds, boots_once=True),
        ),
        Scenario(
            name="offline-hours",
            does="are away for hours, charge meanwhile and tell it afterwards",
            shows="charges told late, with their own times",
            presence=lambda pace, chance: Away(pace.away_hours, speed=pace.speed, chance=chance),
        ),
        Scenario(
            name="silent",
            does="hang in the middle of their first charge: the connection stays, nothing comes any more",
            shows="disconnected as silent; the charge is closed by time with its last reading (`silent_charge_hours`),"
            " and its CDR says so",
            presence=lambda _pace, _chance: Hanging(),
        ),
        Scenario(
            name="deaf",
            does="do not answer what the hub asks; all else goes on",
            shows="requests end as TIMEOUT; after three in a row the connection is closed",
            is_deaf=True,
        ),
        Scenario(
            name="clock-skew",
            does="their clock shows local time, two hours ahead, and calls it UTC",
            shows="clock corrected",
            bend=bending.local_clock,
        ),
        Scenario(
            name="clock-unset",
            does="date everything in 1970",
            shows="clock not set; the time of arrival counts",
            bend=bending.unset_clock,
        ),
        Scenario(
            name="no-zone",
            does="write times without a zone",
            shows="time without a zone",
            bend=bending.without_zone,
        ),
        Scenario(
            name="repeated",
            does="say all about charges three times, each time with a new message id",
            shows="repeated start, repeated stop (1.6); repeated or late event (2.x); one session each",
            telling=Repeating,
        ),
        Scenario(
            name="out-of-order",
            does="tell meter values after the stop, the last of them first",
            shows="meter values of no open transaction (1.6); repeated or late event (2.x); one session each",
            telling=ValuesLast,
        ),
        Scenario(
            name="missing-events",
            does="every second meter value is lost, and was counted",
            shows="events missing",
            versions=NEWER,
            telling=LeavingOut,
        ),
        Scenario(
            name="missing-stop",
            does="never tell the end of a charge",
            shows="closed by rule when the next one begins on the connector, and said in the CDR",
            telling=WithoutStop,
        ),
        Scenario(
            name="lost-ids",
            does="never learn the transaction's id: meter values with 0, stops with -1",
            shows="transaction unknown to the station; the session is found all the same",
            versions=("1.6",),
            bend=bending.lost_ids,
        ),
        Scenario(
            name="register-reset",
            does="their register starts at zero again in the middle of a charge",
            shows="the CDR says that the register fell; no negative energy",
            telling=RestartingAtZero,
        ),
        Scenario(
            name="kwh-for-wh",
            does="tell kWh and call them Wh",
            shows="the CDR says that the energy is doubtful: kWh for Wh?",
            telling=InKilowattHours,
        ),
        Scenario(
            name="loose-types",
            does="write numbers where texts belong, and the other way round",
            shows="mended: type",
            bend=bending.loose_types,
        ),
        Scenario(
            name="unknown-fields",
            does="write fields that there are not",
            shows="mended: unknown",
            bend=bending.more_fields,
        ),
        Scenario(
            name="broken-frames",
            does="send frames that are no JSON between good ones",
            shows="unreadable; the connection stays",
            is_broken=True,
        ),
        Scenario(
            name="firmware-fails",
            does="fetch firmware and fail to install it",
            shows="INSTALL_FAILED; a wave stops at its failure rate",
            has_failing_firmware=True,
        ),
    )
}


def scenario_of(name: str, version: str) -> Scenario:
    """Raises ``KeyError``. A version that has no such habit is steady."""
    found = SCENARIOS[name]
    return found if version in found.versions else STEADY
