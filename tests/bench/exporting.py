"""Long lists: all CDRs, page by page along the Link, and pages of a million EVSEs with the memory that they take."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from roaming.app import open_services
from roaming.model.canonical import to_document
from roaming.model.cdr import CDR
from roaming.model.identifiers import PartyId
from roaming.model.version import Version
from roaming.modules.cdrs import repository as cdrs
from roaming.modules.cdrs.service import CODECS
from roaming.modules.cdrs.telling import said_of
from roaming.modules.locations import repository as locations
from roaming.ocpi.module import Services
from roaming.settings import Settings
from roaming.store.bulk import insert_new
from roaming.store.counts import CountRow
from roaming.store.documents import TEXT_COLUMN
from tests.bench.data import CPO, START, THEIR_EMSP, THEIR_OTHER_EMSP, location
from tests.bench.load import Line, cpu_seconds, http, percentile
from tests.bench.serving import HEADERS, server
from tests.kit import ocpi_bodies

AT_ONCE = 2_000
EVSES_EACH = 4


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A list that was read to its end. ``first`` and ``last``: median of ten pages at either end, in ms."""

    objects: int
    size: float
    """Bytes of an object."""
    seconds: float
    cpu: float
    first: float
    last: float
    p50: float
    p99: float
    resident: float
    """MB, of the process that served it."""


async def _insert(services: Services, table: object, rows: Iterator[dict[str, object]], count: int) -> None:
    for _ in range(0, count, AT_ONCE):
        batch = [row for _, row in zip(range(AT_ONCE), rows, strict=False)]
        async with services.database.work() as work:
            await insert_new(work.connection, table, batch, key=("key",))  # type: ignore[arg-type]


async def _count(services: Services, module: str, scope: str, amount: int) -> None:
    row = {"module": module, "owner": str(CPO), "scope": scope, "source": "", "amount": amount}
    async with services.database.work() as work:
        table = CountRow.__table__  # type: ignore[attr-defined]
        await insert_new(work.connection, table, [row], key=("module", "owner", "scope", "source"))


def _cdr(emsp: PartyId) -> CDR:
    """Rich: eight periods, 2.5 kB and more."""
    dimensions = [{"type": type, "volume": volume} for type, volume in (("ENERGY", 1.375), ("TIME", 0.125))]
    begins = [f"2026-11-23T{9 + quarter // 4:02d}:{quarter % 4 * 15:02d}:00Z" for quarter in range(8)]
    price = {"excl_vat": 3.85, "incl_vat": 4.62}
    body = ocpi_bodies.cdr(
        str(CPO),
        str(emsp),
        id="CDR-NUMBER",
        charging_periods=[{"start_date_time": at, "dimensions": dimensions, "tariff_id": "T1"} for at in begins],
        total_cost=price,
        total_energy_cost=price,
        total_energy=11,
        authorization_reference="bench-authorisation-reference",
        meter_id="bench-meter-1",
    )
    return CODECS[Version.V2_2_1].decode(json.loads(json.dumps(body), parse_float=Decimal)).value


def _cdr_rows(count: int, emsp: PartyId, texts: Mapping[Version, str]) -> Iterator[dict[str, object]]:
    """``texts``: as the module keeps them when it stores a CDR."""
    document = to_document(_cdr(emsp))
    for number in range(count):
        id, updated = f"CDR-{emsp.party_id}-{number:06d}", START + timedelta(seconds=number)
        yield {
            **_row(cdrs.key_of(CPO, id), id, document.replace("CDR-NUMBER", id), updated, scope=str(emsp)),
            **{TEXT_COLUMN[version]: text.replace("CDR-NUMBER", id) for version, text in texts.items()},
            "session_key": None,
            "currency": "EUR",
            "total_cost": Decimal(1),
            "total_energy": Decimal(1),
            "ended_at": updated,
            "digest": "",
        }


def _location_rows(count: int) -> Iterator[dict[str, object]]:
    """Each with four EVSEs of one connector."""
    rich = location(0)
    (evse, *_) = rich.evses
    evses = tuple(
        msgspec.structs.replace(evse, uid=f"NUMBER-{n}", evse_id=None, connectors=evse.connectors[:1])
        for n in range(EVSES_EACH)
    )
    document = to_document(msgspec.structs.replace(rich, id="LOC-NUMBER", evses=evses))
    for number in range(count):
        id, updated = f"M{number:07d}", START + timedelta(days=1, seconds=number)
        text = document.replace("LOC-NUMBER", id).replace("NUMBER", f"{number:07d}")
        yield _row(locations.key_of(CPO, id), id, text, updated)


def _row(key: str, id: str, document: str, updated: object, *, scope: str = "") -> dict[str, object]:
    return {
        "key": key,
        "country_code": CPO.country_code,
        "party_id": CPO.party_id,
        "object_id": id,
        "source": "",
        "scope": scope,
        "is_listed": True,
        "document": document,
        "origin_version": "2.3.0",
        "last_updated": updated,
        "received_at": updated,
        "revision": 1,
    }


async def export_cdrs(settings: Settings, folder: Path, *, count: int) -> dict[str, Exported]:
    """All CDRs of an eMSP in pages of 100: as they are stored, with what their reader is told of them; and those that
    have no texts yet, as after a change of the reader's version, for the first time and once more."""
    async with open_services(settings) as services:
        directory = await services.directory.current()
        told = said_of(_cdr(THEIR_OTHER_EMSP), directory, source="").texts
        assert told, "nothing is made when a CDR is stored"
        for emsp, texts in ((THEIR_OTHER_EMSP, told), (THEIR_EMSP, {})):
            await _insert(services, cdrs.DOCUMENTS.table, _cdr_rows(count, emsp, texts), count)
            await _count(services, "cdrs", str(emsp), count)
    with server(settings.effective_database_url, folder) as (port, pid):
        return {
            "told before": await _read_all(port, pid, "cdrs", count, THEIR_OTHER_EMSP),
            "never told, first read": await _read_all(port, pid, "cdrs", count, THEIR_EMSP),
            "read again": await _read_all(port, pid, "cdrs", count, THEIR_EMSP),
        }


async def a_million(settings: Settings, folder: Path, *, evses: int) -> Exported:
    """Pages of 100 locations at the beginning, in the middle and near the end of the list, with ``evses`` stored."""
    count = evses // EVSES_EACH
    async with open_services(settings) as services:
        await _insert(services, locations.DOCUMENTS.table, _location_rows(count), count)
    with server(settings.effective_database_url, folder) as (port, pid):
        line, took = Line(port), []
        began, cpu = time.perf_counter(), cpu_seconds([pid])
        for part in (0.0, 0.5, 0.95):
            path = f"/ocpi/2.2.1/sender/locations?limit=100&offset={int(count * part)}"
            for number in range(150):
                at = time.perf_counter()
                status, _ = await line.send(http("GET", path, HEADERS))
                assert status == 200, status
                if number:  # the first one skips all before it, which no Link of ours asks for
                    took.append((time.perf_counter() - at) * 1000)
                if (path := _behind(line)) == "":
                    break
        line.close()
        return _exported(100 * len(took), 0, took, began, cpu, pid)


def _behind(line: Line) -> str:
    """The next page, as a partner asks for it that follows our Link; empty behind the last."""
    link = urlsplit(line.headers.get("link", "").split(">")[0].removeprefix("<"))
    return f"{link.path}?{link.query}" if link.path else ""


async def _read_all(port: int, pid: int, module: str, count: int, reader: PartyId) -> Exported:
    line, took, objects, size = Line(port), [], 0, 0
    headers = HEADERS | {"OCPI-from-party-id": reader.party_id}
    path = f"/ocpi/2.2.1/sender/{module}?limit=100"
    began, cpu = time.perf_counter(), cpu_seconds([pid])
    while path:
        at = time.perf_counter()
        status, body = await line.send(http("GET", path, headers))
        took.append((time.perf_counter() - at) * 1000)
        assert status == 200, body
        objects += body.count(b'"CDR-')
        size += len(body)
        path = _behind(line)
    line.close()
    assert objects == count, (objects, count)
    return _exported(count, size, took, began, cpu, pid)


def _exported(objects: int, size: int, took: list[float], began: float, cpu: float, pid: int) -> Exported:
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return Exported(
        objects=objects,
        size=size / objects,
        seconds=time.perf_counter() - began,
        cpu=cpu_seconds([pid]) - cpu,
        first=percentile(took[:10], 50),
        last=percentile(took[-10:], 50),
        p50=percentile(took, 50),
        p99=percentile(took, 99),
        resident=resident,
    )
