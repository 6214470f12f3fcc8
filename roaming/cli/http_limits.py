"""How large the head of a request may be, and how long a client may take to send a request or to read its answer:
uvicorn sees to neither. What is refused here has not reached the application; it is answered with an envelope too.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from roaming.model.time import SystemClock
from roaming.ocpi.envelope import CONTENT_TYPE, failure
from roaming.ocpi.errors import HeadTooLarge, NotJson, OcpiError, TooSlow

MALFORMED = NotJson("this is no HTTP request that can be read in one way only")
SLOW = TooSlow("the request was not complete in time: send it whole")
LARGE_HEAD = HeadTooLarge("the address and headers of the request are too large, or too many")


class _TooMuch(Exception):
    """Ends the parsing of a request."""


class LimitedHttp(HttpToolsProtocol):
    """One connection. For ``uvicorn.Config(http=...)``."""

    head_bytes = 32 * 1024
    """Address and headers together; trailers too."""
    most_headers = 100
    receive_seconds = 8.0
    """From the connection, or the first byte of a further request, to the last byte of the request."""
    upload_seconds = 900.0
    """The same for what stations lay down, over lines of theirs (``/files``)."""
    stalled_seconds = 30.0
    """An answer of which nothing is taken for so long is not worth keeping."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._receiving: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._has_begun = False
        self._is_in_head = True
        self._unparsed = 0  # bytes of a head that is not complete
        self._parsed = 0  # bytes of names and values that are
        self._error: OcpiError = MALFORMED

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._resumed()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            # The parser keeps an incomplete name or value without telling
            self._unparsed += len(data)
            if self._unparsed > self.head_bytes:
                self._refuse(LARGE_HEAD)
        is_answered = self.cycle is None or self.cycle.response_complete
        if is_answered and self._receiving is None and not self.transport.is_closing():
            self._expect_a_request()  # line ends between two requests end uvicorn's own waiting

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._has_begun = self._is_in_head = True
        self._unparsed = self._parsed = 0
        self._expect_a_request()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if len(self.headers) >= self.most_headers:
            self._too_much()
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if self.url.startswith(b"/files/") and self._receiving is not None:
            self._stop_waiting()
            self._receiving = self.loop.call_later(self.upload_seconds, self._too_late)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when parsing ended with an error, one of ours too."""
        self._refuse(self._error)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(self.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._resumed()
        super().resume_writing()

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > self.head_bytes:
            self._too_much()

    def _too_much(self) -> None:
        self._error = LARGE_HEAD
        raise _TooMuch

    def _expect_a_request(self) -> None:
        self._stop_waiting()
        self._receiving = self.loop.call_later(self.receive_seconds, self._too_late)

    def _too_late(self) -> None:
        self._receiving = None
        if self.flow.read_paused:  # it is we who are slow
            self._expect_a_request()
        elif not self._has_begun:
            self.transport.close()  # nothing was asked
        else:
            self._refuse(SLOW)

    def _refuse(self, error: OcpiError) -> None:
        """Answers, unless an answer is under way, and ends the connection: where the next request begins is open."""
        self._stop_waiting()
        cycle = self.cycle
        is_answering = cycle is not None and cycle.response_started and not cycle.response_complete
        is_answered = cycle is not None and cycle.response_complete and not self._is_in_head
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if not is_answering and not is_answered:
            body = failure(error, SystemClock().now())
            head = [
                f"HTTP/1.1 {error.http_status} {HTTPStatus(error.http_status).phrase}",
                f"content-type: {CONTENT_TYPE}",
                f"content-length: {len(body)}",
                "connection: close",
            ]
            self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None

    def _resumed(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
