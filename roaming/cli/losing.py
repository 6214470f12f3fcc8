"""What translation between versions costs: how often it happened to a partner, and what can happen at all."""

from typing import Any

from roaming.app import find_modules
from roaming.cli.database import known_partner, services_of_now
from roaming.ocpi.declared import declared_losses
from roaming.partners.directory import Partner
from roaming.store.losses import EVERYBODY, Counted, counted
from roaming.store.reader import Reader


async def partner_losses(partner_id: str) -> list[dict[str, Any]]:
    """What a partner was not told, by module and field."""
    async with services_of_now() as services:
        return await losses_of(services.database.reader, await known_partner(services, partner_id))


async def losses_of(reader: Reader, partner: Partner) -> list[dict[str, Any]]:
    """The same, with what is lost in list pages, whose texts are made once for all partners of a version."""
    shared = [
        entry
        for entry in await counted(reader, EVERYBODY)
        if partner.version is not None and entry.what.version == partner.version
    ]
    own = [_row(entry, "sent to it") for entry in await counted(reader, partner.id)]
    return own + [_row(entry, "lists of this version") for entry in shared]


def all_declared(module: str, version: str) -> list[dict[str, Any]]:
    """The table of declared losses, of one module and version or of all."""
    return [
        {
            "module": line.module,
            "object": line.object,
            "version": line.version.value,
            "field": line.field,
            "what becomes of it": line.ending.value,
            "because": line.because,
        }
        for line in declared_losses(find_modules())
        if (not module or line.module == module) and (not version or line.version == version)
    ]


def _row(entry: Counted, where: str) -> dict[str, Any]:
    return {
        "module": entry.what.module,
        "field": entry.what.field,
        "version": entry.what.version,
        "times": entry.amount,
        "where": where,
        "first": entry.first_at.isoformat(timespec="seconds"),
        "last": entry.last_at.isoformat(timespec="seconds"),
        "last reason": entry.reason,
    }
