"""What an adapter is answered when it asks about a token."""

from datetime import timedelta

import pytest

from contracts.messages import AuthorizationDecided, AuthorizationRequested, TokenOwner
from contracts.vocabulary import AuthorizationStatus
from roaming.modules.tokens.asking import decide
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
