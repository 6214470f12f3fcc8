"""A partner's list is read as partners write it, and every difference is named with its amount."""

import json
from decimal import Decimal

import pytest

from roaming.billing.exports import exported
from roaming.billing.matching import Listed, MalformedList, Match, match, read_list, sums_of
from roaming.billing.rows import harmless
from roaming.billing.statement import Edition, Statement, state
from tests.roaming.billing.test_statement import PAIR, a_bill, billed


def statement() -> Statement:
    return state(PAIR, "2026-07", [billed(a_bill(number, Decimal(number))) for number in (1, 2, 3)], {})


def test_matched_missing_differing() -> None:
    listed = [
        Listed(cdr_id="c1", currency="EUR", net=Decimal("1.00"), gross=Decimal("1.2")),
        Listed(cdr_id="C2", currency="EUR", net=Decimal("2.50")),
        Listed(cdr_id="C2", currency="EUR", net=Decimal("2.50")),
        Listed(cdr_id="C9", currency="EUR", net=Decimal(9)),
    ]
    found = match(statement().lines, listed)
    assert [(each.cdr_id, each.match, each.difference) for each in found] == [
        ("C1", Match.MATCHED, 0),
        ("C2", Match.DIFFERS, Decimal("0.50")),
        ("C3", Match.MISSING_THERE, -3),
        ("C9", Match.MISSING_HERE, 9),
        ("C2", Match.REPEATED, Decimal("2.50")),
    ]
    assert found[1].text == "before taxes: 2 here, 2.5 there (+0.50)"
    assert ("EUR", Match.MISSING_HERE, 1, 9) in sums_of(found)
    assert match(statement().lines, listed[1:2], tolerance=Decimal("0.5"))[1].match is Match.MATCHED


def test_two_parties_that_bill_each_other_may_use_one_id() -> None:
    """Whether their list says whose each CDR is or not."""
    both = a_bill(1, Decimal(1)), a_bill(1, Decimal(5), is_turned=True)
    lines = state(PAIR, "2026-07", map(billed, both), {}).lines
    named = "id;CPO;net\nC1;FR*CPO;1\nC1;DE-HME;5\nC1;NL-OTH;2\nC1;DE-HME;5\n"
    assert [(each.match, each.difference) for each in match(lines, read_list(named))] == [
        (Match.MATCHED, 0),
        (Match.MATCHED, 0),
        (Match.MISSING_HERE, 2),
        (Match.REPEATED, 5),
    ]
    for text in ("id;net\nC1;5\nC1;1\n", "id;cpo;net\nC1;A company;6\nC1;A company;1\n"):
        expected = 0 if "cpo" not in text else 1
        found = {each.ours: each.difference for each in match(lines, read_list(text))}
        assert found == {Decimal(1): 0, Decimal(5): expected}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffCDR-ID;Currency;Excl VAT;kWh\nC1;eur;1.234,50;14,7\n\n",
        "cdr id,currency,total_cost,energy\nC1,EUR,1234.5,14.7\n",
        "id\tcurrency\tnet\tkwh\nC1\tEUR\t1,234.50\t14.7\n",
        json.dumps([{"id": "C1", "currency": "EUR", "total_cost": {"excl_vat": 1234.50}, "total_energy": 14.7}]),
        json.dumps({"data": [{"id": "C1", "currency": "EUR", "total_cost": 1234.50, "total_energy": 14.7}]}),
    ],
)
def test_lists_as_partners_write_them(text: str) -> None:
    (listed,) = read_list(text)
    assert (listed.cdr_id, listed.currency, listed.net, listed.kwh) == ("C1", "EUR", Decimal("1234.5"), Decimal("14.7"))


def test_taxes_of_2_3_0_and_our_own_files_are_read() -> None:
    cost = {"before_taxes": 5, "taxes": [{"name": "VAT", "amount": 1}]}
    assert read_list(json.dumps({"id": "C1", "currency": "EUR", "total_cost": cost}))[0].gross == 6
    for name in ("x.json", "x.csv"):
        own = read_list(exported(statement(), Edition("OPEN"), name).decode())
        assert {each.match for each in match(statement().lines, own)} == {Match.MATCHED}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("number;amount\n1;2", "no column for the CDR"),
        ("id;currency\n1;EUR", "no column for the amount"),
        ("id,net\nC1,much", "line 2: net: 'much' is no number"),
        ("id,net\n,1", "line 2: id is empty"),
        ("[1]", "entry 1: expected a CDR"),
        ("[{]", "no JSON"),
        ('[{"id": "C1", "total_cost": "NaN"}]', "entry 1: net"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, reason: str) -> None:
    with pytest.raises(MalformedList, match=reason):
        read_list(text)


def test_formulas_are_harmless() -> None:
    assert [harmless(text) for text in ("=1", "@x", "+1+1", "-1", "-x", "x", 5)] == [
        "'=1",
        "'@x",
        "'+1+1",
        "-1",
        "'-x",
        "x",
        5,
    ]
