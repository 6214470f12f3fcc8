"""Two engines that are not ours price 10,000 random charges: each difference is explained by a named reading."""

from typing import Any

import pytest

from tests.judges.comparing import Judge, ask, compare
from tests.judges.random_charges import random_cases
from tests.kit import tools

SEED, COUNT = 20261129, 10_000

pytestmark = [pytest.mark.outside, pytest.mark.slow, pytest.mark.timeout(240)]

OCPI_TARIFFS = Judge(
    "ocpi_tariffs",
    frozenset(("2.1.1", "2.2.1")),
    {
        "element_choice": ("PER_DIMENSION", "2.1.1 mod_tariffs, Tariff: it reads 2.1.1 as 2.2.1 reads elements"),
        "step_volume": ("ALL", "2.2.1 mod_tariffs, switch to free parking: it rounds what nothing priced as well"),
        "unknown_current": ("MATCH", "2.2.1 mod_tariffs, TariffRestrictions: silent on periods without a current"),
        "unknown_power": ("MATCH", "2.2.1 mod_tariffs, TariffRestrictions: silent on periods without a power"),
    },
)
OCPI_KIT = Judge(
    "ocpi_kit",
    frozenset(("2.2.1", "2.3.0")),
    {
        "hours": ("AS_STATED", "2.2.1 types, number: four decimals; it takes 0.6667 h for 2400.12 s"),
        "limits": ("SCALED_TAX", "2.2.1 mod_tariffs, notes on min_price and max_price: it scales the tax instead"),
    },
)


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    return list(random_cases(COUNT, SEED))


@pytest.mark.parametrize("judge", [OCPI_TARIFFS, OCPI_KIT], ids=lambda judge: judge.name)
def test_every_difference_is_a_named_reading(judge: Judge, cases: list[dict[str, Any]]) -> None:
    program = tools.judge(judge.name) or tools.is_missing(f"the judge {judge.name}: run .ci/run once")
    judged = [case for case in cases if case["version"] in judge.versions]
    verdict = compare(judge, judged, ask(program, judged))
    print(f"{judge.name}: {len(judged)} charges, {verdict.same} the same; {dict(verdict.explained)}")
    assert verdict.unexplained == []
    assert verdict.same > len(judged) / 2
    used = {name for way in verdict.explained for name in way}
    assert used == set(judge.readings), "a reading that explains nothing any more goes from the list"
