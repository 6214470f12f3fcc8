"""Statuses of stations lie over the document of their location; nobody who reads it can tell."""

import random
from datetime import timedelta

import msgspec
import pytest

from roaming.model.identifiers import PartyId
from roaming.model.location import EVSE, Connector, Location
from roaming.model.place import GeoLocation
from roaming.model.version import Version
from roaming.modules.locations import repository, service
from roaming.modules.locations.service import EvseChange
from roaming.ocpi.codec import parse_json
from roaming.ocpi.listing import text_of
from roaming.store.database import Database
from roaming.store.documents import read_object
from roaming.store.selections import Selection

CPO = PartyId("NL", "HUB")
STATUSES = ("AVAILABLE", "CHARGING", "BLOCKED", "OUTOFORDER", "SOMETHING_NEW")


def location(number: int, uids: list[str], now: object, name: str = "") -> Location:
    connector = Connector(
        id="1",
        standard="IEC_62196_T2",
        format="SOCKET",
        power_type="AC_3_PHASE",
        max_voltage=230,
        max_amperage=32,
        last_updated=now,  # type: ignore[arg-type]
    )
    return Location(
        country_code="NL",
        party_id="HUB",
        id=f"Site-{number}",
        publish=True,
        name=name or None,
        address="Street 1",
        city="Utrecht",
        country="NLD",
        coordinates=GeoLocation(latitude="52.00000", longitude="5.00000"),
        time_zone="Europe/Amsterdam",
        evses=tuple(EVSE(uid=uid, status="UNKNOWN", connectors=(connector,), last_updated=now) for uid in uids),  # type: ignore[arg-type]
        last_updated=now,  # type: ignore[arg-type]
    )


async def loaded(database: Database, number: int) -> Location:
    key = repository.key_of(CPO, f"SITE-{number}")
    async with database.reading() as connection:
        kept = await repository.load(connection, key)
        read = await read_object(connection, "locations", key, Location)
    assert kept is not None
    assert kept.location == read
    assert kept.stored.last_updated == kept.location.last_updated
    return kept.location


async def listed(database: Database) -> dict[str, dict[str, object]]:
    selection = Selection(owners=(CPO,))
    rows = await repository.DOCUMENTS.page(database, selection, Version.V2_2_1, limit=10)
    codec = service.LOCATION_CODECS[Version.V2_2_1]
    texts = [(row.key, row.revision, row.text or text_of(row, codec, Location)[0]) for row in rows]
    async with database.work() as work:
        await repository.DOCUMENTS.keep_texts(work.connection, Version.V2_2_1, texts)
    return {body["id"]: body for body in (parse_json(text.encode()) for _, _, text in texts)}


@pytest.mark.parametrize("seed", range(4))
async def test_any_course_of_changes_reads_as_if_the_document_had_been_rewritten(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    expected: dict[int, Location] = {}
    for _ in range(40):
        number = chance.randrange(2)
        async with database.work() as work:
            known = expected.get(number)
            if known is None or chance.random() < 0.2:
                uids = [f"{number}*Evse{each}" for each in range(chance.randrange(1, 5))]
                base = known or location(number, uids, work.now)
                if chance.random() < 0.5:
                    base = location(number, uids, work.now, name=f"named {chance.random()}")
                expected[number] = await service.publish(work, base)
            else:
                chosen = {chance.choice(known.evses).uid: chance.choice(STATUSES) for _ in range(2)}
                changes = [
                    EvseChange(
                        party=CPO, location_id=f"site-{number}", evse_uid=uid.upper(), status=status, correlation_id=""
                    )
                    for uid, status in [*chosen.items(), ("no-such-evse", "AVAILABLE")]
                ]
                different = sum(evse.status != chosen.get(evse.uid, evse.status) for evse in known.evses)
                assert await service.change_evses(work, changes) == different
                updated = max(
                    known.last_updated + timedelta(milliseconds=1),
                    work.now.replace(microsecond=work.now.microsecond // 1000 * 1000),
                )
                if different:
                    evses = tuple(
                        msgspec.structs.replace(evse, status=chosen[evse.uid], last_updated=updated)
                        if chosen.get(evse.uid, evse.status) != evse.status
                        else evse
                        for evse in known.evses
                    )
                    expected[number] = msgspec.structs.replace(known, evses=evses, last_updated=updated)
        assert await loaded(database, number) == expected[number]
        if chance.random() < 0.4:
            bodies = await listed(database)
            for each, wanted in expected.items():
                found = {evse["uid"]: evse["status"] for evse in bodies[f"Site-{each}"]["evses"]}  # type: ignore[attr-defined]
                assert found == {evse.uid: evse.status for evse in wanted.evses}
