"""Tariffs that people bring for CPOs hosted here: each is read, judged and published by itself. Knows no file and no
request."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.tariff import Tariff
from roaming.model.version import Version
from roaming.modules.tariffs import service
from roaming.ocpi.codec import DecodeError
from roaming.ocpi.errors import InvalidParameters, OcpiError
from roaming.ocpi.module import Services
from roaming.partners.directory import Directory
from roaming.rating import RatingError, price_list

_LONG_AGO: Final = "2000-01-01T00:00:00Z"
_PLACE: Final = re.compile(r"(?:tariff [^:]*: )?([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*): ")


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one entry."""

    row: int
    """From 1."""
    party: str
    id: str
    state: str
    """``ok`` or ``error``."""
    error: str = ""
    field: str = ""
    """Which one is wrong, such as ``elements[0].price_components[1].price``."""


class _Undone(Exception):
    """Ends a transaction without a trace."""


def read_own(entry: Any, directory: Directory) -> Tariff:
    """The tariff of a CPO hosted here, in the shape of OCPI 2.2.1, or 2.3.0 where it says ``tax_included``; without
    ``last_updated`` as it may be. Raises ``DecodeError``, ``RatingError`` and ``InvalidParameters``."""
    version = Version.V2_2_1
    if isinstance(entry, dict):
        entry = {"last_updated": _LONG_AGO, **entry}
        version = Version.V2_3_0 if "tax_included" in entry else version
    tariff: Tariff = service.CODECS[version].decode(entry).value
    party = PartyId.of(tariff.country_code, tariff.party_id)
    if not directory.is_hosted(party, Role.CPO):
        raise InvalidParameters(f"party_id: {party} is not hosted here as CPO: roaming party add {party} ...")
    service.check_priced(tariff)
    price_list(tariff)
    return tariff


async def publish_own(services: Services, tariff: Tariff) -> None:
    """Publishes a tariff that was made here, judged as if it had been brought. Raises as ``read_own``, and
    ``StoreUnavailable``."""
    body = service.CODECS[Version.V2_2_1].encode(tariff).body
    own = read_own(body, await services.directory.current())
    async with services.database.work() as work:
        await service.publish(work, own)


async def take_each(services: Services, entries: Sequence[Any], *, is_dry_run: bool) -> list[Judged]:
    """Publishes every entry that is right, each in a transaction of its own; with ``is_dry_run`` says the same and
    leaves nothing. Raises ``StoreUnavailable``."""
    directory = await services.directory.current()
    return [
        await _take(services, directory, entry, row, is_dry_run=is_dry_run)
        for row, entry in enumerate(entries, start=1)
    ]


async def _take(services: Services, directory: Directory, entry: Any, row: int, *, is_dry_run: bool) -> Judged:
    named = entry if isinstance(entry, dict) else {}
    party = "-".join(str(named.get(name, "?"))[:3].upper() for name in ("country_code", "party_id"))
    judged = Judged(row=row, party=party, id=str(named.get("id", "?"))[:36], state="ok")
    try:
        tariff = read_own(entry, directory)
        async with services.database.work() as work:
            await service.publish(work, tariff)
            if is_dry_run:
                raise _Undone
    except _Undone:
        return judged
    except (DecodeError, OcpiError, RatingError) as error:
        return msgspec.structs.replace(judged, state="error", error=str(error), field=field_of(error))
    return judged


def field_of(error: Exception) -> str:
    """Which field an error names; empty where it names none."""
    if isinstance(error, DecodeError):
        return error.path
    found = _PLACE.match(str(error))
    return found[1] if found else ""
