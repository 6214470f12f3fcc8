"""Which passwords of a station wait, and what it may show of them."""

import re

import pytest

from roaming.stations import passwords


def test_a_new_one_fits_every_version() -> None:
    made = {passwords.new_password() for _ in range(100)}
    assert len(made) == 100
    for password in made:
        assert re.fullmatch(r"[A-Za-z0-9]{20}", password)
        assert re.fullmatch(r"[0-9a-f]{40}", passwords.as_given(password, protocol="ocpp1.6"))
        assert passwords.as_given(password, protocol="ocpp2.1") == password


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("correct horse battery", ("correct horse battery",)),
        ("0123456789abcdef", ("0123456789abcdef", "\x01#Eg\x89«Íï")),
        ("616263", ("616263", "abc")),
        ("61 62", ("61 62", "ab")),
        ("", ("",)),
    ],
)
def test_what_a_station_may_show_of_what_it_was_given(value: str, shown: tuple[str, ...]) -> None:
    assert passwords.digests_of(value, lambda text: text) == shown
