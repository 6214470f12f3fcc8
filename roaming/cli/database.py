"""The database a command works on: there, and of this release."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from roaming.app import open_services
from roaming.cli.output import fail
from roaming.ocpi.module import Services
from roaming.partners.directory import Partner
from roaming.settings import Settings
from roaming.store.engine import sqlite_path, with_async_driver
from roaming.store.revisions import current, head, is_current


async def must_be_current(settings: Settings) -> None:
    """Ends the command when there is no database, or one of another release."""
    url = with_async_driver(settings.effective_database_url)
    if url.get_backend_name() == "sqlite" and not sqlite_path(url).exists():
        demo = settings.data_dir / "demo" / "settings.toml"
        for_demo = f"; for the demo's, set ROAMING_CONFIG={demo}" if demo.exists() else ""
        fail(f"there is no hub in {settings.data_dir.absolute()} yet: run `roaming start`{for_demo}")
    if not await is_current(settings.effective_database_url):
        fail("the database is not of this release: run `roaming db upgrade`")


@asynccontextmanager
async def services_of_now() -> AsyncIterator[Services]:
    """The services on the database of the settings."""
    settings = Settings()
    await must_be_current(settings)
    async with open_services(settings) as services:
        yield services


async def known_partner(services: Services, partner_id: str) -> Partner:
    """The partner of this id, or the end of the command."""
    partner = (await services.directory.current()).find_partner(partner_id)
    if partner is None:
        fail(f"no partner {partner_id}: see `roaming partner list`")
    return partner


async def upgrade_database() -> dict[str, Any]:
    """Runs the migrations."""
    from roaming.store.migrate import upgrade

    url = Settings().effective_database_url
    before = await current(url)
    await upgrade(url)
    return {"before": before or "empty", "now": head()}
