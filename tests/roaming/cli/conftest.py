"""Commands set up logging for their process, which here is the process of all tests."""

from collections.abc import Iterator

import pytest

from tests.kit.kept_logging import kept_logging


@pytest.fixture(autouse=True)
def _logging_stays_as_it_was() -> Iterator[None]:
    with kept_logging():
        yield
