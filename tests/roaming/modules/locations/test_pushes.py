"""What is sent to a partner when a location or one of its EVSEs changed."""

import json
from dataclasses import replace

import pytest

from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.modules.locations import service
from roaming.modules.locations.repository import DOCUMENTS
from roaming.ocpi.module import DeliveryJob, Recipient
from roaming.store.documents import object_key
from tests.kit.hub_in_process import HubInProcess

OWNER = PartyId("NL", "HUB")


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
async def test_a_changed_status_is_sent_alone(hub: HubInProcess, version: str) -> None:
    await hub.host_location("OURS")
    change = service.EvseChange(
        party=OWNER, location_id="OURS", evse_uid="OURS-1", status="CHARGING", correlation_id="chain"
    )
    async with hub.services.database.work() as work:
        assert await service.change_evses(work, [change]) == 1
    directory = await hub.services.directory.current()
    key = object_key(OWNER, "OURS")
    async with hub.services.database.reading() as connection:
        kept = await DOCUMENTS.find(connection, key)
    job = DeliveryJob(
        id=1,
        module="locations",
        object_key=key,
        owner=OWNER,
        part="OURS-1",
        detail="",
        partner=replace(directory.partners["aaa"], version=Version(version)),
        recipient=Recipient(partner_id="aaa", to_party=PartyId("DE", "AAA"), from_party=OWNER),
        attempts=0,
        is_full=False,
        view=directory.view(directory.partners["aaa"], OWNER),
    )
    request = service.build(job, kept, "https://aaa.example/locations")
    assert request is not None
    assert (request.method, request.url) == ("PATCH", "https://aaa.example/locations/NL/HUB/OURS/OURS-1")
    body = json.loads(request.body)
    assert body.keys() == {"status", "last_updated"}
    assert body["status"] == "CHARGING"
