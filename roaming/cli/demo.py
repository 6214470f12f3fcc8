"""The demo: a hub, stations that speak OCPP 1.6 over real WebSockets, an eMSP that registered by the real handshake.

Everything runs on this machine, in one process, on the embedded default; nothing is asked of the network.
"""

import asyncio
import contextlib
import json
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from contracts.station_keys import digest_station_key
from roaming.app import station_pepper
from roaming.cli.output import fail, show
from roaming.cli.running import Parts, everything, station_address, until_stopped
from roaming.cli.simulating import partner_running, simulator
from roaming.model.identifiers import PartyId
from roaming.model.money import TaxIncluded
from roaming.model.party import Role
from roaming.model.tariff import (
    DayOfWeek,
    PriceComponent,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
)
from roaming.modules.locations.binding import bind_at
from roaming.modules.locations.placing import Place
from roaming.modules.tariffs.service import publish as publish_tariff
from roaming.ocpi.credentials_token import new_token
from roaming.ocpi.module import Services
from roaming.partners import registry
from roaming.sandbox.emsp import SandboxEmsp
from roaming.settings import Settings
from roaming.stations.bindings import Binding

CPO = PartyId("NL", "HUB")
EMSP = "DE-SBX"
PASSWORD = "demo-station-password"
TARIFF = "DEMO-DAY-AND-NIGHT"
SITES = (
    ("HARBOUR", "Havenstraat 1", "Rotterdam", "51.90500", "4.48600"),
    ("STATION-SQUARE", "Stationsplein 4", "Utrecht", "52.08900", "5.11000"),
    ("MUSEUM", "Museumlaan 12", "Amsterdam", "52.35800", "4.88100"),
)


class DemoControls:
    """What a visitor clicks: plugs simulated cars in and lets the eMSP stop them."""

    def __init__(self, fleet: Any, emsp: SandboxEmsp) -> None:
        self._fleet = fleet
        self._emsp = emsp

    def drivers(self) -> list[dict[str, str]]:
        """The sandbox eMSP's drivers."""
        notes = {"NEVER": "asked at the eMSP each time", "ALLOWED": "on the whitelist"}
        return [
            {"uid": d.uid, "name": d.name, "note": notes[d.whitelist] if d.is_allowed else "blocked by the eMSP"}
            for d in self._emsp.drivers.values()
        ]

    async def plug_in(self, evse: str, driver: str) -> str:
        """Shows the driver's card at the station."""
        station = self._fleet.stations.get(evse)
        who = self._emsp.drivers.get(driver)
        if station is None or who is None:
            return "there is no such EVSE or driver"
        if not station.is_free(1):
            return f"{evse} is taken"
        charge = await station.plug(driver, 1, minutes=30.0)
        return f"{who.name} charges at {evse}" if charge is not None else f"{who.name} was refused at {evse}"

    async def stop(self, session_id: str) -> str:
        """The eMSP sends STOP_SESSION."""
        _, response = await self._emsp.stop(session_id)
        return f"the eMSP asked to stop: {response.lower()}"


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the demo should be like."""

    stations: int = 6
    speed: float = 60.0
    seed: int = 1
    arrivals: float = 20.0
    """Mean seconds between drivers at a station; 0: nobody comes by itself."""
    partner_port: int = 8100


async def demo(wishes: Wishes, *, seconds: float, reset: bool, as_json: bool) -> None:
    """Runs the demo until it is stopped, or for ``seconds``."""
    settings = demo_settings()
    if reset:
        shutil.rmtree(settings.data_dir, ignore_errors=True)
    config = keep_settings(settings)
    began = time.monotonic()
    names = [f"DEMO-{number:03d}" for number in range(1, wishes.stations + 1)]
    kit = simulator()
    async with partner_running(EMSP, wishes.partner_port) as emsp:
        stations = kit.config(
            url=f"ws://{settings.ocpp_host}:{settings.ocpp_port}",
            stations=wishes.stations,
            prefix="DEMO-",
            password=PASSWORD,
            tokens=tuple(driver.uid for driver in emsp.drivers.values()),
            arrival_seconds=wishes.arrivals,
            charge_minutes=(10.0, 25.0),
            speed=wishes.speed,
            seed=wishes.seed,
        )
        fleet = kit.fleet(stations)
        parts = Parts(notice="demo: simulated stations and partner", controls=DemoControls(fleet, emsp))
        async with everything(settings, parts=parts) as services:
            token_a = await seed_hub(services, settings, names)
            await emsp.register(f"{services.public_url}/versions", token_a)
            await emsp.push_tokens()
            running = asyncio.create_task(fleet.run())
            show(_what_to_do(settings, services, emsp, config, time.monotonic() - began), as_json=as_json)
            first = asyncio.create_task(_first_light(fleet, names, emsp, as_json))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds or None):
                    await until_stopped()
            for task in (running, first):
                task.cancel()
            await asyncio.gather(running, first, return_exceptions=True)
    show(
        {"charges": len(fleet.charges), "sessions": len(emsp.objects["sessions"]), "CDRs": len(emsp.objects["cdrs"])},
        as_json=as_json,
    )


def demo_settings() -> Settings:
    """The embedded default on loopback, with its own data directory."""
    settings = Settings()
    if settings.host not in ("127.0.0.1", "localhost"):
        fail("the demo has no sign-in and listens on this machine only: unset ROAMING_HOST")
    return settings.model_copy(
        update={
            "data_dir": settings.data_dir / "demo",
            "database_url": "",
            "kafka_bootstrap": "",
            "is_http_allowed": True,
            "allowed_networks": ("127.0.0.0/8",),
            "session_push_interval": 1.0,
            "closing_grace": 0.5,
        }
    )


def keep_settings(settings: Settings) -> Path:
    """Writes what differs from the defaults beside the data, so that every command can be pointed at the demo."""
    values = settings.model_dump(mode="json", exclude_defaults=True) | {"data_dir": str(settings.data_dir.absolute())}
    file = settings.data_dir / "settings.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)  # it may hold the secret
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return file


async def seed_hub(services: Services, settings: Settings, names: list[str]) -> str:
    """A CPO with a tariff, three sites and its stations, and a partner that may register. Returns TOKEN_A."""
    async with services.database.work() as work:
        await registry.host_party(work, CPO, Role.CPO, name="Demo Charging")
        await publish_tariff(work, tariff(work.now))
    for number, name in enumerate(names):
        site, address, city, latitude, longitude = SITES[number % len(SITES)]
        place = Place(
            location_id=site,
            address=address,
            city=city,
            country="NLD",
            latitude=latitude,
            longitude=longitude,
            time_zone="Europe/Amsterdam",
        )
        binding = Binding(
            network=settings.network,
            station_id=name,
            connector_id=1,
            party=CPO,
            location_id=site,
            evse_uid=name,
            evse_connector_id="1",
        )
        digest = digest_station_key(
            PASSWORD, network=settings.network, station_id=name, pepper=station_pepper(settings)
        )
        await bind_at(services, [binding], place, tariff_id=TARIFF, key_digest=digest)
    token_a = new_token()
    async with services.database.work() as work:
        await registry.add_partner(work, id="sandbox", name="Sandbox eMSP")
        await registry.allow_token(
            work, partner_id="sandbox", digest=services.secrets.digest(token_a), is_registration=True
        )
    return token_a


def tariff(now: datetime) -> Tariff:
    """By day 0.35 a kWh, at night and on Sundays 0.25, 0.50 to begin, 3.00 an hour for standing about; 21 % VAT."""

    def price(kind: TariffDimensionType, amount: str) -> PriceComponent:
        return PriceComponent(type=kind, price=Decimal(amount), vat=Decimal("21"), step_size=1)

    energy = TariffDimensionType.ENERGY
    return Tariff(
        country_code=CPO.country_code,
        party_id=CPO.party_id,
        id=TARIFF,
        currency="EUR",
        tax_included=TaxIncluded.NO,
        elements=(
            TariffElement(
                price_components=(price(energy, "0.25"),),
                restrictions=TariffRestrictions(day_of_week=(DayOfWeek.SUNDAY,)),
            ),
            TariffElement(
                price_components=(price(energy, "0.25"),),
                restrictions=TariffRestrictions(start_time="23:00", end_time="07:00"),
            ),
            TariffElement(
                price_components=(
                    price(energy, "0.35"),
                    price(TariffDimensionType.PARKING_TIME, "3.00"),
                    price(TariffDimensionType.FLAT, "0.50"),
                )
            ),
        ),
        last_updated=now,
    )


async def _first_light(fleet: Any, names: list[str], emsp: SandboxEmsp, as_json: bool) -> None:
    """Sends the first driver at once, so that nobody waits for chance, and tells of the first CDR."""
    began = time.monotonic()
    first = fleet.stations[names[0]]
    while not (first.is_connected and first.is_free(1)):
        await asyncio.sleep(0.1)
    uid = next(iter(emsp.drivers))
    while await first.plug(uid, 1, minutes=10.0) is None:
        await asyncio.sleep(0.5)
    while not emsp.objects["cdrs"]:
        await asyncio.sleep(0.1)
    cdr = next(iter(emsp.objects["cdrs"].values()))
    if not as_json:
        cost = cdr["total_cost"]
        print(
            f"first CDR at the eMSP after {time.monotonic() - began:.0f} s: {cdr['total_energy']} kWh,"
            f" {cost['excl_vat']} {cdr['currency']} excl. VAT, {cost.get('incl_vat')} incl."
        )


def _what_to_do(settings: Settings, services: Services, emsp: SandboxEmsp, config: Path, took: float) -> dict[str, str]:
    return {
        "live page": f"http://{settings.host}:{settings.port}/",
        "OCPI versions": f"{services.public_url}/versions",
        "OCPP": station_address(settings),
        "sandbox eMSP": f"{emsp.url} ({emsp.party})",
        "drivers' tokens": " ".join(emsp.drivers),
        "station password": PASSWORD,
        "data": f"{Path(settings.data_dir).absolute()} (temporary: the next demo starts afresh)",
        "ready after": f"{took:.1f} s",
        "next": f"export ROAMING_CONFIG={config.absolute()}; .venv/bin/roaming cdr list",
    }
