"""What an adapter is answered when it asks about a token."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from contracts.messages import AuthorizationDecided, AuthorizationRequested, TokenOwner
from contracts.vocabulary import AuthorizationBasis, AuthorizationStatus
from roaming.modules.tokens.asking import decide
from tests.kit.answering_partner import answering_partner
from tests.kit.hub_in_process import RECEIVER, HubInProcess
from tests.kit.ocpi_bodies import token
from tests.kit.speaking import envelope_of

UID = "TOKEN1"


async def ask(hub: HubInProcess) -> AuthorizationDecided:
    question = AuthorizationRequested(
        request_id="Q1",
        network="main",
        station_id="CS-1",
        connector_id=1,
        token_uid=UID.lower(),
        deadline=hub.services.clock.now() + timedelta(seconds=2),
    )
    return await decide(hub.services, envelope_of(question), question)


@pytest.mark.parametrize("valid", ["aaa", "bbb"])
async def test_the_answer_names_whose_token_it_is(hub: HubInProcess, valid: str) -> None:
    await hub.host_station("CS-1", "OURS")
    for partner in ("aaa", "bbb"):
        party = partner.upper()
        body = token(f"DE-{party}", valid=partner == valid, whitelist="ALWAYS", contract_id=f"DE-{party}-C1")
        path = f"{RECEIVER}/tokens/DE/{party}/{UID}"
        assert (await hub.call(partner, "PUT", path, body=body)).outcome == (201, 1000)
    decided = await ask(hub)
    assert (decided.status, decided.token_uid) == (AuthorizationStatus.ACCEPTED, UID)
    party = valid.upper()
    assert decided.owner == TokenOwner(
        country_code="DE", party_id=party, token_type="RFID", contract_id=f"DE-{party}-C1"
    )


async def test_of_a_token_nobody_knows_there_is_no_owner(hub: HubInProcess) -> None:
    await hub.host_station("CS-1", "OURS")
    decided = await ask(hub)
    assert decided.status is AuthorizationStatus.UNKNOWN_TOKEN
    assert decided.owner is None


BY_LIST, LIVE, OFFLINE = AuthorizationBasis.WHITELIST, AuthorizationBasis.REAL_TIME, AuthorizationBasis.OFFLINE_POLICY
YES, BLOCKED, NO = AuthorizationStatus.ACCEPTED, AuthorizationStatus.BLOCKED, AuthorizationStatus.NOT_ALLOWED
LATELY = AuthorizationStatus.EXPIRED
"""What the eMSP says when it is asked."""
WHITELISTS: dict[tuple[str, bool], tuple[Any, Any]] = {
    ("ALWAYS", True): ((YES, BY_LIST), (YES, BY_LIST)),
    ("ALWAYS", False): ((BLOCKED, BY_LIST), (BLOCKED, BY_LIST)),
    ("ALLOWED", True): ((YES, BY_LIST), (YES, BY_LIST)),
    ("ALLOWED", False): ((LATELY, LIVE), (NO, OFFLINE)),
    ("ALLOWED_OFFLINE", True): ((LATELY, LIVE), (YES, OFFLINE)),
    ("ALLOWED_OFFLINE", False): ((LATELY, LIVE), (NO, OFFLINE)),
    ("NEVER", True): ((LATELY, LIVE), (NO, OFFLINE)),
    ("NEVER", False): ((LATELY, LIVE), (NO, OFFLINE)),
}
"""By whitelist and valid: what is decided while the eMSP answers, and while it does not."""


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(("whitelist", "is_valid"), WHITELISTS)
async def test_whitelist_against_valid(hub: HubInProcess, whitelist: str, is_valid: bool, is_there: bool) -> None:
    assert set(WHITELISTS) == set(itertools.product(("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"), (True, False)))
    await hub.host_station("CS-1", "OURS")
    known = token("DE-AAA", valid=is_valid, whitelist=whitelist)
    assert (await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/{UID}", body=known)).outcome == (201, 1000)
    async with answering_partner(hub, "aaa", "DE-AAA", "EMSP") as emsp:
        emsp.answers["authorize"] = {"allowed": "EXPIRED", "token": known} if is_there else None
        decided = await ask(hub)
    expected = WHITELISTS[whitelist, is_valid][0 if is_there else 1]
    assert (decided.status, decided.basis) == expected
    assert len(emsp.of("POST", "/authorize")) == (0 if expected[1] is BY_LIST else 1)


async def test_an_answer_need_not_repeat_a_token_that_is_known(hub: HubInProcess) -> None:
    await hub.host_station("CS-1", "OURS")
    known = token("DE-AAA", whitelist="NEVER")
    assert (await hub.call("aaa", "PUT", f"{RECEIVER}/tokens/DE/AAA/{UID}", body=known)).outcome == (201, 1000)
    async with answering_partner(hub, "aaa", "DE-AAA", "EMSP") as emsp:
        emsp.answers["authorize"] = {"allowed": "ALLOWED"}
        decided = await ask(hub)
    assert (decided.status, decided.basis) == (YES, LIVE)
