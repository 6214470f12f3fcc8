"""Many stations with drivers that a test sends: bound in one go, their books compared with the hub and the partner."""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from adapters.ocpp.simulator import Charge, Fleet, SimulatedStation, SimulatorConfig
from contracts.station_keys import digest_station_key
from roaming.app import open_services, station_pepper
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.time import parse_timestamp
from roaming.modules.locations.binding import bind_at
from roaming.modules.locations.placing import Place
from roaming.ocpi.credentials_token import new_token
from roaming.partners import registry
from roaming.partners.operators import add_operator
from roaming.settings import Settings
from roaming.stations.bindings import Binding
from tests.e2e.hub import NETWORK, SECRET, Hub
from tests.e2e.partner import ADA, GRACE, Partner

PASSWORD = "a-password-of-16-letters"
CPO = PartyId("NL", "HUB")
Book = tuple[str, datetime, Decimal]
"""What a charge, its session and its CDR must agree on: EVSE, start, kWh."""


async def set_up(hub: Hub, partner: Partner, stations: Iterable[str], *, operator: str = "") -> str:
    """A CPO with its stations in one location, and a partner who has registered; done here, not by commands: each would
    take seconds to start. Returns the token of ``operator``, if one is named."""
    settings = Settings(database_url=hub.database_url, secret=SECRET, data_dir=hub.folder, network=NETWORK)
    token_a, token = new_token(), new_token() if operator else ""
    async with open_services(settings) as services:
        digest_of = services.secrets.digest
        async with services.database.work() as work:
            await registry.host_party(work, CPO, Role.CPO, name="Hub Charging")
            await registry.add_partner(work, id="sandbox", name="sandbox", allowed_parties=[partner.emsp.party])
            await registry.allow_token(work, partner_id="sandbox", digest=digest_of(token_a), is_registration=True)
            if operator:
                await add_operator(work, operator, digest_of(token))
        place = Place(
            location_id="HARBOUR",
            address="Havenstraat 1",
            city="Rotterdam",
            postal_code="3011 WN",
            country="NLD",
            latitude="51.90500",
            longitude="4.48600",
            time_zone="Europe/Amsterdam",
        )
        for name in stations:
            binding = Binding(
                network=NETWORK,
                station_id=name,
                connector_id=1,
                party=CPO,
                location_id="HARBOUR",
                evse_uid=name,
                evse_connector_id="1",
            )
            digest = digest_station_key(PASSWORD, network=NETWORK, station_id=name, pepper=station_pepper(settings))
            await bind_at(services, [binding], place, tariff_id="", key_digest=digest)
    await partner.emsp.register(hub.versions_url, token_a)
    return token


class Drivers:
    """Send drivers to the stations of some fleets for as long as they are told to."""

    def __init__(self, fleets: Sequence[Fleet], *, seed: int, minutes: tuple[float, float]) -> None:
        self.fleets = fleets
        self._seed = seed
        self._minutes = minutes
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def stations(self) -> list[SimulatedStation]:
        return [station for fleet in self.fleets for station in fleet.stations.values()]

    @property
    def charges(self) -> list[Charge]:
        """All charges, as the stations' own books have them."""
        return [charge for fleet in self.fleets for charge in fleet.charges]

    @property
    def running(self) -> int:
        """How many cars are charging now."""
        return sum(charge.stopped_at is None for charge in self.charges)

    def start(self) -> None:
        """As soon as a connector is free the next one comes."""
        self._tasks = [asyncio.create_task(self._come(station)) for station in self.stations]

    async def stop(self) -> None:
        """Nobody comes any more, and those who are there leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(station.unplug() for station in self.stations))

    async def _come(self, station: SimulatedStation) -> None:
        chance = random.Random(f"{self._seed}/{station.id}")
        while True:
            if station.is_free():
                await station.plug(chance.choice((ADA, GRACE)), minutes=chance.uniform(*self._minutes))
            await asyncio.sleep(chance.uniform(0.2, 1.0))


@asynccontextmanager
async def running_fleets(*configs: SimulatorConfig) -> AsyncIterator[list[Fleet]]:
    """Fleets that dial until the block ends."""
    fleets = [Fleet(config) for config in configs]
    tasks = [asyncio.create_task(fleet.run()) for fleet in fleets]
    try:
        yield fleets
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def seed_of_run() -> int:
    """``ROAMING_SEED``, to repeat what another run did."""
    return int(os.environ.get("ROAMING_SEED", "20261123"))


def books_of(charges: Iterable[Charge]) -> Counter[Book]:
    """What the stations say of charges that ended."""
    return Counter(
        (charge.station_id, charge.started_at, Decimal(charge.register_stop_wh - charge.register_start_wh) / 1000)
        for charge in charges
        if charge.register_stop_wh is not None
    )


def book_of_session(session: dict[str, Any], energy: str = "kwh") -> Book:
    """What a session says; ``energy`` names its field."""
    return session["evse_uid"], _time(session["start_date_time"]), Decimal(str(session[energy]))


def book_of_cdr(cdr: dict[str, Any]) -> Book:
    """What a CDR says."""
    return book_of_session({**cdr, "evse_uid": cdr["cdr_location"]["evse_uid"]}, "total_energy")


def check_order(partner: Partner) -> None:
    """No session goes back in time at the partner, none changes after COMPLETED, each CDR follows its session."""
    last: dict[str, tuple[datetime, str]] = {}
    for told in partner.emsp.history:
        if told.module == "sessions":
            session, before = told.body, last.get(told.key)
            updated = parse_timestamp(session["last_updated"])  # as texts, a whole second comes after its fractions
            if before is not None:
                assert updated >= before[0], f"{told.key} went back to {updated} from {before[0]}"
                assert before[1] != "COMPLETED" or session["status"] == "COMPLETED", f"{told.key} was reopened"
            last[told.key] = updated, session["status"]
        elif told.module == "cdrs":
            key = f"{told.body['country_code']}/{told.body['party_id']}/{told.body['session_id']}".upper()
            assert last[key][1] == "COMPLETED", f"the CDR of {key} came before the end of its session"


async def eventually(check: Any, *, seconds: float, every: float = 0.5) -> None:
    """Until ``check`` no longer fails; its own words when it still does after ``seconds``."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                try:
                    check()
                except AssertionError:
                    await asyncio.sleep(every)
                else:
                    return
    check()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
