"""A simulated station's end of a connection, where the package behind it falls short."""

import asyncio
import json

import ocpp.v16
import ocpp.v16.call
import pytest

from adapters.ocpp.simulator.link import Conversation
from tests.kit.wait import until


class Sent:
    """A connection that takes what is sent."""

    def __init__(self) -> None:
        self.frames: list[str] = []

    async def send(self, frame: str) -> None:
        self.frames.append(frame)


class Link(Conversation, ocpp.v16.ChargePoint):  # type: ignore[misc]
    """One connection."""


@pytest.mark.parametrize("turns", range(4))
async def test_who_is_cancelled_as_the_answer_comes_ends(turns: int) -> None:
    """However many turns of the loop after it."""
    socket = Sent()
    link = Link("CS-1", socket, None, seconds=5, is_strict=False)  # type: ignore[arg-type]
    asking = asyncio.create_task(link.ask(ocpp.v16.call.Heartbeat()))
    await until(lambda: socket.frames)
    frame_id = json.loads(socket.frames[0])[1]
    await link.route_message(json.dumps([3, frame_id, {"currentTime": "2026-11-29T10:00:00Z"}]))
    for _ in range(turns):
        await asyncio.sleep(0)
    if asking.cancel():
        with pytest.raises(asyncio.CancelledError):
            await asking
