"""Known settings are found under either name, and none that is secret is taken for an open one."""

import pytest

from contracts.configuration import KNOWN_KEYS, is_secret, known_key


def test_names_are_unique() -> None:
    names = [name.casefold() for known in KNOWN_KEYS for name in (known.key, known.variable) if name]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("known", KNOWN_KEYS, ids=lambda known: known.key)
def test_a_setting_is_found_under_both_names_and_explained(known: object) -> None:
    assert known in KNOWN_KEYS
    assert known_key(known.key.upper()) is known  # type: ignore[attr-defined]
    assert not known.variable or known_key(known.variable) is known  # type: ignore[attr-defined]
    assert known.meaning[0].isupper()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "is_hidden"),
    [
        ("AuthorizationKey", True),
        ("SecurityCtrlr.BasicAuthPassword", True),
        ("com.voltarra.WifiPassword", True),
        ("NetworkConfiguration.VpnKey", True),
        ("NetworkConfiguration.SimPin", True),
        ("HeartbeatInterval", False),
        ("SomethingElse", False),
    ],
)
def test_passwords_are_secret(name: str, is_hidden: bool) -> None:
    assert is_secret(name) is is_hidden
