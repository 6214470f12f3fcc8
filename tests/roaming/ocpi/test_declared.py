"""The table of declared losses says what codecs do."""

import pytest

from roaming.app import find_modules
from roaming.model.version import Version
from roaming.ocpi.declared import Ending, declared_losses

LINES = declared_losses(find_modules())


@pytest.mark.parametrize(
    ("module", "version", "field", "ending"),
    [
        ("locations", Version.V2_2_1, "evses[].parking", Ending.LOST),
        ("locations", Version.V2_1_1, "evses[].connectors[].standard", Ending.REFUSED),
        ("cdrs", Version.V2_1_1, "auth_method", Ending.REPLACED),
        ("cdrs", Version.V2_1_1, "(all)", Ending.BY_RULE),
        ("sessions", Version.V2_1_1, "cdr_token", Ending.BY_RULE),
    ],
)
def test_known_losses_are_in_it(module: str, version: Version, field: str, ending: Ending) -> None:
    found = [line for line in LINES if (line.module, line.version, line.field) == (module, version, field)]
    assert ending in [line.ending for line in found]


def test_every_line_has_a_reason() -> None:
    assert [line for line in LINES if not line.because] == []


def test_the_newest_version_lacks_two_words_of_older_ones_and_one_of_its_own_texts() -> None:
    """FLAT and HUB; and PTP, who has a part in payments and is none of its roles."""
    lost = [line for line in LINES if line.version == Version.V2_3_0 and line.ending is not Ending.BY_RULE]
    assert {line.because.partition(":")[0] for line in lost} == {"FLAT", "HUB", "PTP"}
