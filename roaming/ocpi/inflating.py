"""Taking in a body of unknown size, compressed or not, without ever holding more than a limit."""

import zlib


class BodyTooLarge(Exception):
    """More bytes than the limit, before or after inflating."""


class BodyUnreadable(Exception):
    """An encoding we did not ask for and do not know, or broken compressed data."""


class BoundedBody:
    """Collects chunks; inflates gzip and deflate on the way (RFC 9110, section 8.4.1).

    291 kB can inflate to 300 MB, so the output of every step is bounded, not only the sum afterwards.
    """

    def __init__(self, content_encoding: str, limit: int) -> None:
        """Raises ``BodyUnreadable`` for an encoding other than identity, gzip and deflate, or more than one."""
        self._limit = limit
        self._received = 0
        self._body = bytearray()
        encoding = content_encoding.strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise BodyUnreadable(f"content encoding {encoding[:40]!r} was not asked for")
        self._is_deflate = encoding == "deflate"
        self._inflater: zlib._Decompress | None = None
        if encoding in ("gzip", "x-gzip"):
            self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def add(self, chunk: bytes) -> None:
        """Raises ``BodyTooLarge`` or ``BodyUnreadable``; then stop reading."""
        self._received += len(chunk)
        if self._received > self._limit:
            raise BodyTooLarge
        if not chunk:
            return
        if self._is_deflate and self._inflater is None:
            # "deflate" means zlib data (RFC 1950); some servers send it without the two header bytes
            is_zlib = chunk[0] & 0x0F == 8 and chunk[0] >> 4 <= 7
            self._inflater = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        if self._inflater is None:
            self._body += chunk
            return
        try:
            # One byte more than allowed tells "full" from "too much"
            self._body += self._inflater.decompress(chunk, self._limit - len(self._body) + 1)
        except zlib.error as error:
            raise BodyUnreadable(f"broken compressed body: {error}") from None
        if len(self._body) > self._limit:
            raise BodyTooLarge

    def finish(self) -> bytes:
        """The body. Raises ``BodyUnreadable`` when compressed data ends too early or goes on after its end."""
        if self._inflater is not None and self._received:
            if not self._inflater.eof:
                raise BodyUnreadable("the compressed body ends too early")
            if self._inflater.unused_data:
                raise BodyUnreadable("there is more after the end of the compressed body")
        return bytes(self._body)
