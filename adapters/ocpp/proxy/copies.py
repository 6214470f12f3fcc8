"""Copies of what passed, waiting to be read: bounded. When full, what comes is dropped and the gap is marked. Pure but
for one event."""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

OF_EACH: Final = 128
"""Octets that the administration of a copy is counted with."""


class Copy(msgspec.Struct, frozen=True):
    """One frame that has passed."""

    is_of_station: bool
    data: bytes
    at: datetime


@dataclass(slots=True)
class Gap:
    """Frames that passed and were not read, all of one stretch."""

    frames: int
    began_at: datetime
    ended_at: datetime


@dataclass(kw_only=True)
class Room:
    """For the copies of all stations together, so that no number of stations takes more memory than is said."""

    octets: int
    taken: int = 0


class Copies:
    """Those of one station. ``put`` never waits; ``take`` does."""

    def __init__(self, *, most: int, room: Room) -> None:
        """``most``: frames of this station."""
        self._most = most
        self._room = room
        self._waiting: deque[Copy | Gap] = deque()
        self._has_some = asyncio.Event()
        self._is_over = False
        self.dropped = 0
        """Frames, since the connection began."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, copy: Copy) -> None:
        """Keeps it, or drops it and marks the gap."""
        size = len(copy.data) + OF_EACH
        if len(self._waiting) >= self._most or self._room.taken + size > self._room.octets:
            self.drop(copy.at)
            return
        self._room.taken += size
        self._waiting.append(copy)
        self._has_some.set()

    def drop(self, at: datetime, frames: int = 1) -> None:
        """Marks that so many frames are not read."""
        self.dropped += frames
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, Gap):
            last.frames += frames
            last.ended_at = at
        else:
            # A gap takes no room: there is at most one between two copies
            self._waiting.append(Gap(frames, at, at))
            self._has_some.set()

    def refuse(self) -> None:
        """Nobody will read them: none is kept any more, and none takes room from others."""
        self._most = 0
        self.forget()

    @property
    def is_refused(self) -> bool:
        """See ``refuse``."""
        return self._most == 0

    def end(self) -> None:
        """Nothing more comes; ``take`` gives what waits and then ``None``."""
        self._is_over = True
        self._has_some.set()

    async def take(self) -> Copy | Gap | None:
        """The oldest."""
        while not self._waiting:
            if self._is_over:
                return None
            self._has_some.clear()
            await self._has_some.wait()
        found = self._waiting.popleft()
        if isinstance(found, Copy):
            self._room.taken -= len(found.data) + OF_EACH
        return found

    def forget(self) -> int:
        """Gives up what waits. Returns how many frames that are."""
        frames = 0
        while self._waiting:
            found = self._waiting.popleft()
            if isinstance(found, Copy):
                self._room.taken -= len(found.data) + OF_EACH
            frames += 1 if isinstance(found, Copy) else found.frames
        return frames
