"""What the hub's own operator asks of a station's device model (OCPP 2.x), besides settings and monitors by name."""

from contracts.messages.asked import Operation
from contracts.vocabulary import ComponentCriterion, MonitoringBase


class ReportComponents(Operation, frozen=True, kw_only=True):
    """Asks for the components that fit, with their variables: told as GET_CONFIGURATION is."""

    criteria: tuple[ComponentCriterion, ...] = ()
    """Components to which one of them applies; none: whatever they are like."""
    names: tuple[str, ...] = ()
    """``Component`` or ``Component.Variable``; none: all."""


class SetMonitoringBase(Operation, frozen=True, kw_only=True):
    """Says which monitors are in force: all that were set, or a part of them. What people have set and is no part of
    it is gone."""

    base: MonitoringBase


class SetMonitoringLevel(Operation, frozen=True, kw_only=True):
    """Has the station tell only of what is as severe as this, or severer."""

    severity: int
    """0 (danger) to 9 (debug) (OCPP 2.0.1 part 2, N04)."""


class ReportStreams(Operation, frozen=True, kw_only=True):
    """Asks which streams of values the station has open (OCPP 2.1)."""


class AdjustStream(Operation, frozen=True, kw_only=True):
    """Changes how often a stream tells (OCPP 2.1)."""

    stream_id: int
    interval: int | None = None
    """Seconds between two tellings."""
    values: int | None = None
    """As soon as so many have come together."""
