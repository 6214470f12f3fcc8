"""The same data for every benchmark: a hub with ten thousand rich locations, twenty thousand tokens, one partner."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from roaming.app import open_services
from roaming.model.canonical import to_document
from roaming.model.identifiers import PartyId, fold
from roaming.model.location import EVSE, Connector, Location
from roaming.model.party import InterfaceRole, Role
from roaming.model.place import BusinessDetails, GeoLocation
from roaming.model.text import DisplayText
from roaming.model.token import Token
from roaming.modules.locations import repository as locations
from roaming.modules.tokens import repository as tokens
from roaming.ocpi.module import Services
from roaming.partners import registry
from roaming.partners.directory import Endpoint, PartyRole
from roaming.settings import Settings
from roaming.stations.bindings import BINDINGS
from roaming.store.bulk import insert_new
from roaming.store.counts import CountRow
from roaming.store.migrate import upgrade

CPO, OUR_EMSP = PartyId("NL", "BEN"), PartyId("NL", "EMS")
THEIR_EMSP, THEIR_CPO, THEIR_OTHER_EMSP = PartyId("DE", "EMS"), PartyId("DE", "CPO"), PartyId("DE", "EM2")
FAR = PartyId("FR", "FAR")
"""A CPO of another platform."""
TOKEN = "bench-credentials-token"
LOCATIONS, TOKENS = 10_000, 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def settings_for(database_url: str, folder: Path) -> Settings:
    """Settings of a hub of a benchmark."""
    return Settings(
        data_dir=folder,
        database_url=database_url,
        secret="be" * 32,
        is_http_allowed=True,
        allowed_networks=("127.0.0.0/8",),
    )


def location(number: int) -> Location:
    """About 3.5 kB on the wire: two EVSEs with two connectors each."""
    updated = START + timedelta(seconds=number)
    connectors = tuple(
        Connector(
            id=str(index),
            standard="IEC_62196_T2",
            format="SOCKET",
            power_type="AC_3_PHASE",
            max_voltage=230,
            max_amperage=32,
            max_electric_power=22_000,
            tariff_ids=("STANDARD", "NIGHT"),
            terms_and_conditions="https://cpo.example/terms",
            last_updated=updated,
        )
        for index in (1, 2)
    )
    evses = tuple(
        EVSE(
            uid=f"EVSE-{number}-{index}",
            evse_id=f"NL*BEN*E{number:06d}*{index}",
            status="AVAILABLE",
            capabilities=("RFID_READER", "REMOTE_START_STOP_CAPABLE", "RESERVABLE", "UNLOCK_CAPABLE"),
            connectors=connectors,
            floor_level="-1",
            physical_reference=str(index),
            directions=(DisplayText(language="en", text="Behind the barrier, second row on the left side."),),
            last_updated=updated,
        )
        for index in (1, 2)
    )
    return Location(
        country_code=CPO.country_code,
        party_id=CPO.party_id,
        id=f"LOC-{number:06d}",
        publish=True,
        name=f"Site {number}",
        address=f"Benchstraat {number}",
        city="Rotterdam",
        postal_code="3011AA",
        country="NLD",
        coordinates=GeoLocation(latitude="51.92250", longitude="4.47917"),
        parking_type="PARKING_GARAGE",
        evses=evses,
        directions=(DisplayText(language="en", text="Take the second exit and follow the signs to level minus one."),),
        operator=BusinessDetails(name="Bench Charging", website="https://cpo.example"),
        facilities=("RESTAURANT", "WIFI"),
        time_zone="Europe/Amsterdam",
        last_updated=updated,
    )


async def seed(services: Services, *, partner_url: str = "http://127.0.0.1:9") -> None:
    """Fills an empty, migrated database."""
    async with services.database.work() as work:
        for party, role in ((CPO, Role.CPO), (OUR_EMSP, Role.EMSP)):
            await registry.host_party(work, party, role, name=str(party))
        await registry.add_partner(work, id="bench", name="Bench partner")
        digest = services.secrets.digest(TOKEN)
        await registry.allow_token(work, partner_id="bench", digest=digest, is_registration=False)
    directory = await services.directory.current()
    async with services.database.work() as work:
        await registry.connect_partner(
            work,
            directory,
            directory.partners["bench"],
            version="2.2.1",
            versions_url=f"{partner_url}/versions",
            endpoints=[
                Endpoint(module=module, role=InterfaceRole.RECEIVER, url=f"{partner_url}/{module}")
                for module in ("locations", "tariffs", "sessions", "cdrs")
            ]
            + [Endpoint(module="tokens", role=InterfaceRole.SENDER, url=f"{partner_url}/tokens")],
            roles=[
                PartyRole(party=THEIR_EMSP, role=Role.EMSP, name="eMSP"),
                PartyRole(party=THEIR_CPO, role=Role.CPO, name="CPO"),
                PartyRole(party=THEIR_OTHER_EMSP, role=Role.EMSP, name="other eMSP"),
            ],
            sealed_token=services.secrets.seal("their-token", partner_id="bench"),
        )
    await _seed_locations(services)
    await _seed_tokens(services)


async def _seed_locations(services: Services) -> None:
    for start in range(0, LOCATIONS, 1000):
        rows, bindings = [], []
        for number in range(start, start + 1000):
            entry = location(number)
            rows.append(_row(locations.key_of(CPO, entry.id), CPO, entry.id, to_document(entry), entry.last_updated))
            bindings.append(
                {
                    "network": "main",
                    "station_id": f"CS-{number}",
                    "connector_id": 1,
                    "country_code": CPO.country_code,
                    "party_id": CPO.party_id,
                    "location_id": entry.id,
                    "evse_uid": entry.evses[0].uid,
                    "evse_connector_id": "1",
                }
            )
        async with services.database.work() as work:
            await insert_new(work.connection, locations.DOCUMENTS.table, rows, key=("key",))
            await insert_new(work.connection, BINDINGS, bindings, key=("network", "station_id", "connector_id"))
    await _count(services, "locations", CPO, LOCATIONS)


async def _seed_tokens(services: Services) -> None:
    for start in range(0, TOKENS, 2000):
        rows = []
        for number in range(start, start + 2000):
            uid = f"{number:014X}"
            token = Token(
                country_code=OUR_EMSP.country_code,
                party_id=OUR_EMSP.party_id,
                uid=uid,
                type="RFID",
                contract_id=f"NL-EMS-C{number:08d}",
                issuer="Bench eMSP",
                valid=True,
                whitelist="NEVER",
                last_updated=START,
            )
            key = tokens.key_of(OUR_EMSP, uid, "RFID")
            row = _row(key, OUR_EMSP, uid, to_document(token), START)
            rows.append(row | {"uid_folded": fold(uid), "type": "RFID"})
        async with services.database.work() as work:
            await insert_new(work.connection, tokens.DOCUMENTS.table, rows, key=("key",))
    await _count(services, "tokens", OUR_EMSP, TOKENS)


def _row(key: str, party: PartyId, object_id: str, document: str, updated: datetime) -> dict[str, object]:
    return {
        "key": key,
        "country_code": party.country_code,
        "party_id": party.party_id,
        "object_id": object_id,
        "source": "",
        "scope": "",
        "is_listed": True,
        "document": document,
        "origin_version": "2.3.0",
        "last_updated": updated,
        "received_at": updated,
        "revision": 1,
    }


async def _count(services: Services, module: str, owner: PartyId, amount: int) -> None:
    row = {"module": module, "owner": str(owner), "scope": "", "source": "", "amount": amount}
    async with services.database.work() as work:
        await insert_new(work.connection, CountRow.__table__, [row], key=("module", "owner", "scope", "source"))


async def prepare(database_url: str, folder: Path, *, partner_url: str = "http://127.0.0.1:9") -> Settings:
    """Migrates and fills a database; returns its settings."""
    settings = settings_for(database_url, folder)
    await upgrade(settings.effective_database_url)
    async with open_services(settings) as services:
        await seed(services, partner_url=partner_url)
    return settings
