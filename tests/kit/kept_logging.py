"""A test that sets how this process logs leaves it to the next as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def kept_logging() -> Iterator[None]:
    """structlog's own default, which a reset would leave behind, prints every local variable of every frame: minutes of
    work in tests that log hundreds of tracebacks."""
    kept = structlog.get_config()
    try:
        yield
    finally:
        structlog.configure(**kept)
