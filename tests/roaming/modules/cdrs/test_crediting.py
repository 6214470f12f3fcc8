"""A CDR of ours is taken back in full, once; whoever pays it sees the credit in its list, and nobody else."""

import msgspec
import pytest

from roaming.model.identifiers import PartyId
from roaming.modules.cdrs import repository
from roaming.modules.cdrs.crediting import NotCreditable, credit, reissue
from tests.kit.hub_in_process import HubInProcess

OURS = PartyId("NL", "HUB")


async def take_back(hub: HubInProcess, cdr_id: str = "OURS-AAA", party: PartyId = OURS) -> None:
    async with hub.services.database.work() as work:
        await credit(work, party, cdr_id, reason="wrong tariff")


async def test_only_the_total_is_negative(hub: HubInProcess) -> None:
    await take_back(hub)
    path = "/2.2.1/sender/cdrs"
    original, issued = (await hub.call("aaa", "GET", path)).data
    changed = {
        "id": "OURS-AAA-C",
        "credit": True,
        "credit_reference_id": "OURS-AAA",
        "total_cost": {"excl_vat": -0.45, "incl_vat": -0.54},
        "remark": "wrong tariff",
        "last_updated": issued["last_updated"],
    }
    assert issued == original | changed
    assert len((await hub.call("bbb", "GET", path)).data) == 1
    rows = await hub.services.database.reader.fetch("SELECT object_key FROM outgoing WHERE module = 'cdrs'")
    assert [row[0] for row in rows] == ["NL/HUB/ours-aaa-c"]


async def test_once_and_never_a_credit(hub: HubInProcess) -> None:
    await take_back(hub)
    with pytest.raises(NotCreditable, match="credited before"):
        await take_back(hub, "ours-aaa")
    with pytest.raises(NotCreditable, match="a credit itself"):
        await take_back(hub, "OURS-AAA-C")
    with pytest.raises(NotCreditable, match="no CDR NONE"):
        await take_back(hub, "NONE")


async def test_what_comes_in_its_place_goes_to_the_same_emsp(hub: HubInProcess) -> None:
    async with hub.services.database.work() as work:
        kept = await repository.load(work.connection, repository.key_of(OURS, "OURS-AAA"))
        assert kept is not None
        elsewhere = msgspec.structs.replace(kept.cdr.cdr_token, party_id="BBB")
        with pytest.raises(NotCreditable, match=r"cdr_token\.party_id"):
            await reissue(work, OURS, "OURS-AAA", msgspec.structs.replace(kept.cdr, cdr_token=elsewhere))
