"""A missing part skips a test where people work, and fails it where CI is set."""

import pytest

from tests.kit import tools


def test_a_missing_part_skips_where_people_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no broker"):
        tools.is_missing("no broker")


def test_a_missing_part_fails_where_ci_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no broker"):
        tools.is_missing("no broker")
