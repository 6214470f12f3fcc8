"""Composition root of HTTP: builds the services, finds the modules, mounts each under each version."""

import importlib
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import roaming.modules
from contracts.station_keys import derive
from roaming.model.identifiers import PartyId
from roaming.model.mail_server import MailServer
from roaming.model.time import Clock, SystemClock
from roaming.model.version import Version
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import OcpiClient
from roaming.ocpi.credentials_token import derive_key
from roaming.ocpi.module import OcpiModule, Services
from roaming.ocpi.pulling import PullPace
from roaming.ocpi.secrets import Secrets
from roaming.partners.directory import DirectoryCache
from roaming.settings import Settings
from roaming.store.database import Database
from roaming.store.journal import Journal

if TYPE_CHECKING:
    from fastapi import FastAPI


def find_modules() -> tuple[OcpiModule, ...]:
    """Every folder below ``roaming.modules`` that declares a ``MODULE``."""
    found = []
    for entry in pkgutil.iter_modules(roaming.modules.__path__):
        declared = getattr(importlib.import_module(f"roaming.modules.{entry.name}"), "MODULE", None)
        if isinstance(declared, OcpiModule):
            found.append(declared)
    return tuple(found)


@asynccontextmanager
async def open_services(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Services]:
    """Everything a process of the service needs, closed at the end."""
    clock = clock or SystemClock()
    database = await Database.open(
        settings.effective_database_url,
        clock=clock,
        source=f"service:{settings.instance}",
        pool_size=settings.pool_size,
    )
    secret = settings.effective_secret()
    policy = AddressPolicy.of(*settings.allowed_networks, is_http_allowed=settings.is_http_allowed)
    client = OcpiClient(policy)
    try:
        yield Services(
            database=database,
            directory=DirectoryCache(database, PartyId.parse(settings.hub_party) if settings.hub_party else None),
            client=client,
            journal=Journal(database),
            secrets=Secrets(
                pepper=derive_key(secret, "credentials-token-digest"),
                sealing_key=derive_key(secret, "credentials-token-seal"),
                station_pepper=station_pepper(settings),
            ),
            clock=clock,
            modules=find_modules(),
            public_url=settings.effective_public_url,
            network=settings.network,
            files_url=settings.effective_files_url,
            authority_certificate=settings.authority_certificate,
            authority_key=settings.authority_key,
            certificate_lifetime=settings.certificate_lifetime,
            certificate_renewal=settings.certificate_renewal,
            versions=tuple(Version(version) for version in sorted(set(settings.offered_versions))),
            hub_party=PartyId.parse(settings.hub_party) if settings.hub_party else None,
            authorization_timeout=settings.authorization_timeout,
            command_timeout=settings.command_timeout,
            commands_per_minute=settings.commands_per_minute,
            unknown_tokens_per_minute=settings.unknown_tokens_per_minute,
            is_late_start_stopped=settings.is_late_start_stopped,
            closing_grace=settings.closing_grace,
            settling_grace=settings.settling_grace,
            silent_charge_hours=settings.silent_charge_hours,
            cdr_grace=settings.cdr_grace,
            session_push_interval=settings.session_push_interval,
            cost_interval=settings.cost_interval,
            offline_grace=settings.offline_grace,
            offline_notice=settings.offline_notice,
            mail_server=mail_server_of(settings),
            wire_kilobytes=settings.wire_kilobytes,
            wire_megabytes=settings.wire_megabytes,
            pulling=pace_of(settings),
            partner_silence=settings.partner_silence,
        )
    finally:
        await client.aclose()
        await database.close()


def mail_server_of(settings: Settings) -> MailServer | None:
    """Who takes our e-mail, if anybody."""
    if not settings.smtp_host:
        return None
    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value(),
        ca_file=settings.smtp_ca_file,
        sender=settings.smtp_from,
    )


def pace_of(settings: Settings) -> PullPace:
    """How often and how fast partners are pulled from."""
    return PullPace(
        is_on=settings.is_pulling,
        requests_per_second=settings.pull_requests_per_second,
        page_size=settings.pull_page_size,
        overlap=timedelta(seconds=settings.pull_overlap),
        night_hour=settings.pull_night_hour,
        night_hours=settings.pull_night_hours,
        full_every=timedelta(days=settings.pull_full_days),
        first_delay=timedelta(seconds=settings.pull_first_delay),
    )


def station_pepper(settings: Settings) -> bytes:
    """Keys the digests of station passwords; the same for the service and its adapters."""
    return derive(settings.effective_secret(), "station-keys")


def adapter_secret(settings: Settings) -> bytes:
    """Keys what adapters must not let be guessed, such as transaction ids."""
    return derive(settings.effective_secret(), "adapter")


def mounted_modules(services: Services) -> tuple[OcpiModule, ...]:
    """The modules, and what the hub answers besides."""
    from roaming.hub import calling_back

    return (*services.modules, calling_back.MODULE)


def create_app(services: Services) -> "FastAPI":
    """The OCPI endpoints, the API for operators and the probes; consoles are mounted by the caller."""
    from fastapi import FastAPI

    from roaming.console.api import mount_api
    from roaming.console.files_api import mount_files
    from roaming.hub.route import Router
    from roaming.ocpi.server import mount

    app = FastAPI(
        title="Roaming hub",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # looks for a listener at every request
    )

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    mount_api(app, services)
    mount_files(app, services)
    mount(app, services, mounted_modules(services), elsewhere=Router(services))
    return app
