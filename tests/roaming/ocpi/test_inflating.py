import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roaming.ocpi.inflating import BodyTooLarge, BodyUnreadable, BoundedBody

MEBIBYTE = 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


ENCODERS = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    " X-GZIP ": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
}


def read(encoding: str, wire: bytes, *, limit: int = MEBIBYTE, chunk: int = 64 * 1024) -> bytes:
    body = BoundedBody(encoding, limit)
    for start in range(0, len(wire), chunk):
        body.add(wire[start : start + chunk])
    return body.finish()


@pytest.mark.parametrize("encoding", ENCODERS)
@given(data=st.binary(max_size=2000), chunk=st.integers(1, 3000))
def test_every_encoding_comes_back_in_any_pieces(encoding: str, data: bytes, chunk: int) -> None:
    assert read(encoding, ENCODERS[encoding](data), chunk=chunk) == data


@pytest.mark.parametrize("encoding", ENCODERS)
def test_the_limit_is_exact(encoding: str) -> None:
    assert len(read(encoding, ENCODERS[encoding](b"x" * 1000), limit=1000)) == 1000
    with pytest.raises(BodyTooLarge):
        read(encoding, ENCODERS[encoding](b"x" * 1001), limit=1000)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip, identity", "x" * 10_000])
def test_other_encodings_are_unreadable(encoding: str) -> None:
    with pytest.raises(BodyUnreadable):
        BoundedBody(encoding, 10)


def test_broken_data_is_unreadable() -> None:
    whole = gzip.compress(b"a long enough body to be cut")
    for wire in (b"<html>", whole[:-4], whole[:12], whole + whole, whole[:15] + b"\0\0\0\0" + whole[19:]):
        with pytest.raises(BodyUnreadable):
            read("gzip", wire)


def test_no_body_at_all_is_fine_whatever_the_header_says() -> None:
    for encoding in ENCODERS:
        body = BoundedBody(encoding, 10)
        body.add(b"")
        assert body.finish() == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_takes_no_memory(encoding: str) -> None:
    wire = ENCODERS[encoding](bytes(100 * MEBIBYTE))
    assert len(wire) < 110_000
    body = BoundedBody(encoding, 2 * MEBIBYTE)
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            body.add(wire)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MEBIBYTE
