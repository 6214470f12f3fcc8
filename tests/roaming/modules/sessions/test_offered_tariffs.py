"""A charge is priced by what the driver's eMSP is offered there, which price rules say, and by nothing that is hidden
from it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from roaming.hub.why import NotKnown
from roaming.hub.why_price import why_of_session, why_there
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.location import EVSE
from roaming.model.tariff import Tariff
from roaming.model.token import ProfileType
from roaming.modules.tariffs import service as tariffs
from roaming.ocpi.offered import pick, profile_at_start
from roaming.partners import registry
from roaming.partners.rule_times import follow
from roaming.partners.rules import RULES, TOKENS
from tests.kit import ocpi_bodies
from tests.kit.hub_in_process import HOSTED_CPO, RECEIVER, SENDER, HubInProcess, decoded
from tests.kit.ruling import a_rule, rule
from tests.roaming.modules.sessions.charges import (
    BEGAN,
    NOW,
    UID,
    billed,
    ended,
    hub_with_station,
    let_pass,
    metered,
    started,
    tell,
)

EVSE_UID = "AT-GOOD-1"
CPO = PartyId("NL", "HUB")
FOR_AAA = a_rule("price", "locations", partner="aaa", tariffs=["FLEET"])


@pytest.fixture
async def hub(database_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    """The connector of station GOOD has tariff STANDARD; FLEET and NIGHT are of the same CPO."""
    async with hub_with_station(database_url, tmp_path) as running:
        connector = ocpi_bodies.connector(tariff_ids=["STANDARD"])
        evse = ocpi_bodies.evse(uid=EVSE_UID, evse_id="NL*HUB*E1", connectors=[connector])
        await running.host_location("AT-GOOD", evses=[evse])
        for id, price in (("STANDARD", 0.5), ("FLEET", 0.2), ("NIGHT", 0.1)):
            component = {"type": "ENERGY", "price": price, "step_size": 1}
            body = ocpi_bodies.tariff(HOSTED_CPO, id=id, elements=[{"price_components": [component]}], min_price=None)
            async with running.services.database.work() as work:
                await tariffs.publish(work, decoded(tariffs.CODECS, body))
        yield running


async def charge(hub: HubInProcess) -> CDR:
    """10 kWh from beginning to CDR."""
    await tell(hub, started("T1", 0))
    await tell(hub, metered("T1", 10, 3000), ended("T1", 20, 11000))
    await let_pass(hub)
    (cdr,) = await billed(hub)
    return cdr


async def shown(hub: HubInProcess, partner: str) -> tuple[Any, set[str]]:
    """Tariffs at the connector, and all tariffs that the partner can read."""
    evse = (await hub.call(partner, "GET", f"{SENDER}/locations/AT-GOOD/{EVSE_UID}")).data
    listed = (await hub.call(partner, "GET", f"{SENDER}/tariffs")).data
    return evse["connectors"][0]["tariff_ids"], {tariff["id"] for tariff in listed}


async def test_the_charge_costs_what_its_emsp_is_shown(hub: HubInProcess) -> None:
    await rule(hub.services.database, [FOR_AAA])
    assert await shown(hub, "aaa") == (["FLEET"], {"FLEET"})
    cdr = await charge(hub)
    assert [tariff.id for tariff in cdr.tariffs] == ["FLEET"]
    assert cdr.total_cost.before_taxes == Decimal("2.00")
    (session,) = (await hub.call("aaa", "GET", f"{SENDER}/sessions?date_from=2020-01-01T00:00:00Z")).data
    assert {period["tariff_id"] for period in session["charging_periods"]} == {"FLEET"}
    assert session["total_cost"]["excl_vat"] == 2
    (told,) = (await hub.call("aaa", "GET", f"{SENDER}/cdrs?date_from=2020-01-01T00:00:00Z")).data
    assert {period["tariff_id"] for period in told["charging_periods"]} == {"FLEET"}
    assert "STANDARD" not in str(told) + str(session)


ALL, REGULAR, AD_HOC, CHEAP, FAST, GREEN = (
    "",
    "REGULAR",
    "AD_HOC_PAYMENT",
    "PROFILE_CHEAP",
    "PROFILE_FAST",
    "PROFILE_GREEN",
)


def of_types(*types: str) -> list[Tariff]:
    """Each with its type as its id."""
    found = []
    for kind in types:
        body = ocpi_bodies.tariff(HOSTED_CPO, id=kind or "ALL") | ({"type": kind} if kind else {})
        found.append(decoded(tariffs.CODECS, body))
    return found


@pytest.mark.parametrize(
    ("types", "token_type", "profile", "expected"),
    [
        ((REGULAR, AD_HOC, ALL), "RFID", "REGULAR", REGULAR),
        ((REGULAR, AD_HOC, ALL), "AD_HOC_USER", "REGULAR", AD_HOC),
        ((REGULAR, CHEAP, ALL), "AD_HOC_USER", "REGULAR", "ALL"),
        ((REGULAR,), "AD_HOC_USER", "REGULAR", REGULAR),
        ((AD_HOC, GREEN), "RFID", "REGULAR", None),
        ((REGULAR, CHEAP, FAST, GREEN, ALL), "RFID", "FAST", FAST),
        ((REGULAR, CHEAP, FAST, GREEN, ALL), "RFID", "CHEAP", CHEAP),
        ((GREEN, CHEAP), "RFID", "GREEN", GREEN),
        ((REGULAR, CHEAP, ALL), "RFID", "FAST", "ALL"),
        ((REGULAR, CHEAP), "RFID", "FAST", REGULAR),
        ((CHEAP,), "RFID", "FAST", None),
        ((AD_HOC, FAST, REGULAR), "AD_HOC_USER", "FAST", FAST),
        ((AD_HOC, CHEAP, ALL), "AD_HOC_USER", "FAST", AD_HOC),
    ],
)
def test_the_type_of_a_tariff_says_for_whom_it_is(
    types: tuple[str, ...], token_type: str, profile: str, expected: str | None
) -> None:
    """Whoever has a token of one use pays ad hoc; who has a preference, what is for it, or for all."""
    for offered in (of_types(*types), of_types(*types[::-1])):
        found = pick(offered, token_type=token_type, profile=ProfileType(profile))
        assert (found.id if found is not None else None) == expected


@pytest.mark.parametrize(
    ("default", "capable", "types", "profile", "says"),
    [
        (None, True, (FAST,), "REGULAR", ""),
        ("REGULAR", True, (FAST,), "REGULAR", "default_profile_type is REGULAR"),
        ("FAST", True, (FAST, REGULAR), "FAST", "default_profile_type is FAST"),
        ("FAST", True, (ALL, REGULAR), "FAST", "default_profile_type is FAST"),
        ("FAST", False, (FAST, REGULAR), "REGULAR", "but the EVSE is not CHARGING_PREFERENCES_CAPABLE"),
        ("FAST", True, (CHEAP, REGULAR), "REGULAR", "no tariff there is for it"),
        ("FAST", True, (), "REGULAR", "no tariff there is for it"),
        ("SOLAR", True, (FAST, ALL), "REGULAR", "SOLAR, which is none of CHEAP, FAST"),
    ],
)
def test_a_charge_begins_with_the_profile_of_its_token(
    default: str | None, capable: bool, types: tuple[str, ...], profile: str, says: str
) -> None:
    """Where the EVSE takes preferences and supports that one (OCPI 2.2.1, tokens, default_profile_type)."""
    capabilities = ("RESERVABLE", *(("CHARGING_PREFERENCES_CAPABLE",) if capable else ()))
    evse = EVSE(uid=EVSE_UID, status="CHARGING", capabilities=capabilities, connectors=(), last_updated=NOW)
    for place in (evse, None):
        begins = profile_at_start(default, place, of_types(*types))
        assert begins.type == (profile if place is not None else "REGULAR")
    found = profile_at_start(default, evse, of_types(*types))
    assert says in found.says
    assert bool(says) == bool(found.says)


async def test_a_preference_of_the_token_is_billed_and_explained(hub: HubInProcess) -> None:
    """With its tariff from the first minute; where nothing is for it, as without."""
    await place(hub, "STANDARD", "FLEET", capabilities=["CHARGING_PREFERENCES_CAPABLE"])
    await tariff(hub, "STANDARD", 0.5, type="REGULAR")
    await tariff(hub, "FLEET", 0.8, type="PROFILE_FAST")
    body = ocpi_bodies.token(
        "DE-AAA", uid=UID, contract_id="DE-AAA-C1", whitelist="ALLOWED", default_profile_type="FAST"
    )
    assert (await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/{UID}", body=body)).outcome == (200, 1000)
    where, says = f"AT-GOOD/{EVSE_UID}", "the token's default_profile_type is FAST"
    there = {
        profile: await why_there(hub.services, CPO, where, at=BEGAN, token=UID, profile=profile)
        for profile in ("", "REGULAR", "GREEN")
    }
    assert [(each.tariff, each.profile) for each in there.values()] == [
        ("FLEET", "FAST"),
        ("STANDARD", "REGULAR"),
        ("STANDARD", "REGULAR"),
    ]
    assert there[""].because.endswith(f"of these the one of type PROFILE_FAST: {says}")
    assert there["GREEN"].profile_from == (
        "preferences for GREEN are asked for, but no tariff there is for it, or for all: it is not supported"
    )
    with pytest.raises(NotKnown, match="profile: SOLAR is none of CHEAP, FAST, GREEN, REGULAR"):
        await why_there(hub.services, CPO, where, at=BEGAN, token=UID, profile="SOLAR")
    cdr = await charge(hub)
    assert ([tariff.id for tariff in cdr.tariffs], cdr.total_cost.before_taxes) == (["FLEET"], Decimal("8.00"))
    why = await why_of_session(hub.services, cdr.session_id or "")
    assert (why.tariff, why.profile, why.profile_from, why.because) == ("FLEET", "FAST", says, there[""].because)


async def test_ad_hoc_payment_is_billed_by_its_own_tariff(hub: HubInProcess) -> None:
    connector = ocpi_bodies.connector(tariff_ids=["STANDARD", "FLEET"])
    evse = ocpi_bodies.evse(uid=EVSE_UID, evse_id="NL*HUB*E1", connectors=[connector])
    await hub.host_location("AT-GOOD", evses=[evse])
    component = {"type": "ENERGY", "price": 0.9, "step_size": 1}
    body = ocpi_bodies.tariff(HOSTED_CPO, id="FLEET", elements=[{"price_components": [component]}], min_price=None)
    async with hub.services.database.work() as work:
        await tariffs.publish(work, decoded(tariffs.CODECS, body | {"type": "AD_HOC_PAYMENT"}))
        await work.connection.execute(text("UPDATE driver_tokens SET type = 'AD_HOC_USER'"))
    assert (await why_there(hub.services, CPO, f"AT-GOOD/{EVSE_UID}", at=BEGAN, token=UID)).tariff == "FLEET"
    cdr = await charge(hub)
    assert ([tariff.id for tariff in cdr.tariffs], cdr.total_cost.before_taxes) == (["FLEET"], Decimal("9.00"))


async def test_a_driver_of_another_emsp_pays_what_the_connector_says(hub: HubInProcess) -> None:
    await rule(hub.services.database, [a_rule("price", "locations", partner="bbb", tariffs=["FLEET"])])
    assert await shown(hub, "aaa") == (["STANDARD"], {"STANDARD", "NIGHT"})
    assert [tariff.id for tariff in (await charge(hub)).tariffs] == ["STANDARD"]


async def test_the_rule_of_the_evse_decides(hub: HubInProcess) -> None:
    narrow = a_rule(
        "price", "locations", object_id="at-good", evse_uid=EVSE_UID.lower(), partner="aaa", tariffs=["NIGHT"]
    )
    await rule(hub.services.database, [FOR_AAA, narrow])
    assert (await shown(hub, "aaa"))[0] == ["NIGHT"]
    assert [tariff.id for tariff in (await charge(hub)).tariffs] == ["NIGHT"]


async def test_the_rule_of_the_beginning_holds_to_the_end(hub: HubInProcess) -> None:
    await rule(hub.services.database, [FOR_AAA])
    await tell(hub, started("T1", 0))
    await rule(hub.services.database, [])
    await tell(hub, metered("T1", 10, 3000), ended("T1", 20, 11000))
    await let_pass(hub)
    (cdr,) = await billed(hub)
    assert [tariff.id for tariff in cdr.tariffs] == ["FLEET"]


@pytest.mark.parametrize("member", [UID, "POOL"])
async def test_a_group_of_tokens_has_its_price_and_no_connector_shows_it(hub: HubInProcess, member: str) -> None:
    """The uid of a token, or the ``group_id`` of several."""
    body = ocpi_bodies.token("DE-AAA", uid=UID, contract_id="DE-AAA-C1", whitelist="ALLOWED", group_id="pool")
    assert (await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/{UID}", body=body)).outcome == (200, 1000)
    fleet = a_rule("price", "locations", tariffs=["FLEET"], tokens="fleet")
    await rule(hub.services.database, [fleet], {"fleet": [("DE-AAA", member)]}, kind=TOKENS)
    assert await shown(hub, "aaa") == (["STANDARD"], {"STANDARD", "FLEET", "NIGHT"})
    assert await shown(hub, "bbb") == (["STANDARD"], {"STANDARD", "NIGHT"})
    cdr = await charge(hub)
    assert [each.id for each in cdr.tariffs] == ["FLEET"]
    why = await why_of_session(hub.services, cdr.session_id or "")
    assert (why.tariff, why.because) == ("FLEET", f"rule {why.rule}: {str(fleet).split(': ')[1]}")
    there = {
        token: (await why_there(hub.services, CPO, f"AT-GOOD/{EVSE_UID}", at=None, token=token, emsp=emsp)).tariff
        for token, emsp in ((UID, None), ("", PartyId("DE", "AAA")))
    }
    assert there == {UID: "FLEET", "": "STANDARD"}


async def test_a_price_for_a_time_is_shown_and_billed_in_that_time(hub: HubInProcess) -> None:
    """The charge begins within it and is told of after it."""
    database, minute = hub.services.database, timedelta(minutes=1)
    over = a_rule("price", "locations", tariffs=["NIGHT"], times=(BEGAN - minute, BEGAN + minute))
    to_come = a_rule("price", "locations", tariffs=["FLEET"], times=(NOW + 900 * minute, None))
    await rule(database, [over, to_come])
    assert await follow(database) == 0, "each stands as the clock says already"
    async with database.work() as work:
        await work.connection.execute(update(RULES).values(is_in_force=~RULES.c.is_in_force))
        await registry.touch(work)
    assert await shown(hub, "aaa") == (["FLEET"], {"FLEET"})
    assert await follow(database) == 2
    assert await shown(hub, "aaa") == (["STANDARD"], {"STANDARD"})
    rows = await database.reader.fetch("SELECT partner_id, module FROM retellings ORDER BY partner_id, module")
    assert {"locations", "tariffs"} == {row[1] for row in rows if row[0] == "aaa"}, "and it is told of both"
    cdr = await charge(hub)
    assert [each.id for each in cdr.tariffs] == ["NIGHT"]
    assert (await why_of_session(hub.services, cdr.session_id or "")).because.startswith("rule")


async def test_a_tariff_that_changes_meanwhile_keeps_the_price_of_the_beginning(hub: HubInProcess) -> None:
    """The version is frozen at the start: the next charge has the new one."""
    await tell(hub, started("T1", 0))
    await tariff(hub, "STANDARD", 9.9)
    await tell(hub, metered("T1", 10, 3000), ended("T1", 20, 11000))
    await tell(hub, started("T2", 30, wh=11000), metered("T2", 40, 13000), ended("T2", 50, 21000))
    await let_pass(hub)
    sessions = (await hub.call("aaa", "GET", f"{SENDER}/sessions?date_from=2020-01-01T00:00:00Z")).data
    assert sorted(session["total_cost"]["excl_vat"] for session in sessions) == [5, 99]
    first, second = await billed(hub)
    assert [each.total_cost.before_taxes for each in (first, second)] == [Decimal("5.00"), Decimal("99.00")]
    assert [each.tariffs[0].elements[0].price_components[0].price for each in (first, second)] == [
        Decimal("0.5"),
        Decimal("9.9"),
    ]


async def place(hub: HubInProcess, *tariff_ids: str, **values: Any) -> None:
    """What the connector says, and the EVSE."""
    connector = ocpi_bodies.connector(tariff_ids=tariff_ids)
    evse = ocpi_bodies.evse(uid=EVSE_UID, evse_id="NL*HUB*E1", connectors=[connector], **values)
    await hub.host_location("AT-GOOD", evses=[evse])


async def tariff(hub: HubInProcess, id: str, price: float, **values: Any) -> None:
    component = {"type": "ENERGY", "price": price, "step_size": 1}
    body = ocpi_bodies.tariff(HOSTED_CPO, id=id, elements=[{"price_components": [component]}], min_price=None, **values)
    async with hub.services.database.work() as work:
        await tariffs.publish(work, decoded(tariffs.CODECS, body))


async def test_of_overlapping_tariffs_the_newest_start_holds(hub: HubInProcess) -> None:
    """ocpi/ocpi#519: what begins after the charge or has ended before it is none of them."""
    await tariff(hub, "OLD", 0.3, start_date_time="2020-01-01T00:00:00Z")
    await tariff(hub, "NEWER", 0.4, start_date_time="2025-01-01T00:00:00Z", end_date_time="2098-01-01T00:00:00Z")
    await tariff(hub, "FUTURE", 0.6, start_date_time="2099-01-01T00:00:00Z")
    await tariff(hub, "OVER", 0.7, start_date_time="2025-06-01T00:00:00Z", end_date_time="2025-07-01T00:00:00Z")
    await place(hub, "OLD", "STANDARD", "FUTURE", "NEWER", "OVER")
    cdr = await charge(hub)
    assert [each.id for each in cdr.tariffs] == ["NEWER"]
    assert cdr.total_cost.before_taxes == Decimal("4.00")


async def test_a_tariff_that_is_named_and_was_never_told_is_no_free_charge(hub: HubInProcess) -> None:
    """ocpi/ocpi#415: its price is unknown."""
    await place(hub, "NEVER-TOLD")
    await tell(hub, started("T1", 0), metered("T1", 10, 3000))
    (session,) = (await hub.call("aaa", "GET", f"{SENDER}/sessions?date_from=2020-01-01T00:00:00Z")).data
    assert "total_cost" not in session, "absent is not free"
    await tell(hub, ended("T1", 30, 11000))
    await let_pass(hub)
    (cdr,) = await billed(hub)
    assert cdr.tariffs == ()
    assert cdr.remark == "the price is not known: tariff NEVER-TOLD of this connector was not in force or never told"


async def test_a_location_quoted_with_the_session_offers_it_too(hub: HubInProcess) -> None:
    """OCPI 2.1.1 sessions hold the whole location, with the tariff of its connector."""
    await rule(hub.services.database, [FOR_AAA])
    await charge(hub)
    (session,) = (await hub.call("aaa", "GET", "/2.1.1/sessions?date_from=2020-01-01T00:00:00Z")).data
    ((connector,),) = (evse["connectors"] for evse in session["location"]["evses"])
    assert connector["tariff_id"] == "FLEET"
