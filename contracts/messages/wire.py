"""Frames as they went over the wires of stations, for people who look for what went wrong. Subject:
``network/station_id``."""

from datetime import datetime

import msgspec

from contracts.messages.message import Message


class WireFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame."""

    at: datetime
    is_from_station: bool
    text: str
    """As it went, passwords, signed addresses and tokens of drivers masked, bytes that are no UTF-8 as ``\\xff``, cut
    to 16,384 characters."""
    octets: int
    """How long it was."""


class FramesSeen(Message, frozen=True, kw_only=True):
    """Frames of one station in their order. No promise: what could not be kept in time is counted as missed."""

    network: str
    station_id: str
    frames: tuple[WireFrame, ...]
    missed: int = 0
    """Frames before these that nobody has kept."""
