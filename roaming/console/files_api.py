"""``/files/TICKET``: where stations fetch firmware and lay down logs, without an operator's token; and
``/api/firmware``, ``/api/logs`` for operators."""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import unquote

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from roaming.console.saying import HEADERS, answered, as_csv, said
from roaming.console.stations_api import Work
from roaming.console.stations_query import CSV, FILE_NAME, asked_by
from roaming.ocpi.module import Services
from roaming.operations import files
from roaming.operations.files import Addresses, NoSuchFile, Ticket, TooLarge
from roaming.store.errors import StoreUnavailable

_GONE = "this address is not good, or not any more: the operator gives another"
_FILE_NAME = re.compile(r"filename\*?=(?:UTF-8'')?\"?([^\";]+)", re.IGNORECASE)
_DOWNLOAD = {"Content-Disposition": "attachment", "Content-Type": "application/octet-stream"}

logger = structlog.get_logger(__name__)


def addresses_of(services: Services) -> Addresses:
    """Addresses of files at this hub."""
    return Addresses(base=services.files_url, digest=services.secrets.digest)


def mount_files(app: FastAPI, services: Services) -> None:
    """Adds ``/files``."""
    addresses = addresses_of(services)

    @app.get("/files/{ticket}", include_in_schema=False)
    async def fetch(ticket: str) -> Response:
        try:
            return await _give(services, addresses, ticket)
        except StoreUnavailable:
            return said("the database is away: ask again", 503)

    @app.put("/files/{ticket}", include_in_schema=False)
    @app.post("/files/{ticket}", include_in_schema=False)
    async def lay_down(ticket: str, request: Request) -> Response:
        try:
            return await _take(services, addresses, ticket, request)
        except StoreUnavailable:
            return said("the database is away: try again", 503)


async def _give(services: Services, addresses: Addresses, text: str) -> Response:
    ticket = await addresses.begin(services.database, text, is_fetching=True)
    if ticket is None:
        return said(_GONE, 404)
    async with services.database.reading() as connection:
        try:
            file = await files.describe(connection, ticket.file_id)
        except NoSuchFile:
            return said(_GONE, 404)
    logger.info("firmware_is_fetched", station=ticket.station_id, file=ticket.file_id)
    headers = HEADERS | _DOWNLOAD | {"Content-Length": str(file["octets"])}
    return StreamingResponse(_until_used_up(services, ticket), headers=headers)


async def _until_used_up(services: Services, ticket: Ticket) -> AsyncIterator[bytes]:
    async for part in files.content(services.database, ticket.file_id):
        yield part
    async with services.database.work() as work:
        await files.use_up(work.connection, ticket)


async def _take(services: Services, addresses: Addresses, text: str, request: Request) -> Response:
    """The body as it is. One that is announced too large is refused unread."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced[:20]) > files.LARGEST_LOG:
        return said(f"at most {files.LARGEST_LOG} octets", 413)
    ticket = await addresses.begin(services.database, text, is_fetching=False)
    if ticket is None:
        return said(_GONE, 404)
    named = _FILE_NAME.search(request.headers.get("content-disposition", ""))
    try:
        id = await files.store(
            services.database,
            request.stream(),
            kind="LOG",
            name=unquote(named.group(1)) if named else f"{ticket.station_id}.log",
            largest=files.LARGEST_LOG,
            network=ticket.network,
            station_id=ticket.station_id,
        )
    except TooLarge as error:
        return said(str(error), 413)
    except ClientDisconnect:
        return said("broken off", 400)
    async with services.database.work() as work:
        if not await files.use_up(work.connection, ticket):
            await files.remove(work.connection, id)
            return said(_GONE, 404)
        await files.complete(work.connection, id)
    logger.info("log_was_laid_down", station=ticket.station_id, file=id)
    return Response(status_code=201, headers=HEADERS)


@asked_by(FILE_NAME)
async def post_firmware(services: Services, request: Request, who: str) -> Response:
    """The body is the file. ``X-Signature`` and ``X-Certificate`` (base64, and PEM with
    line ends as ``%0A``) where it is signed."""
    certificate, signature = unquote(request.headers.get("x-certificate", "")), request.headers.get("x-signature", "")
    if bool(certificate) != bool(signature):
        return said("X-Certificate, X-Signature: send both, or none", 400)
    try:
        id = await files.store(
            services.database,
            request.stream(),
            kind="FIRMWARE",
            name=request.query_params.get("name", ""),
            largest=files.LARGEST_FIRMWARE,
            certificate=certificate,
            signature=signature,
            who=f"api:{who}",
        )
    except TooLarge as error:
        return said(str(error), 413)
    except ClientDisconnect:
        return said("broken off", 400)
    async with services.database.work() as work:
        await files.complete(work.connection, id)
        return answered(_shown(await files.describe(work.connection, id)), 201)


@asked_by(CSV)
async def get_firmware(services: Services, request: Request, _who: str) -> Response:
    """Files that stations can be given."""
    return await _list(services, request, "FIRMWARE")


@asked_by(CSV)
async def get_logs(services: Services, request: Request, _who: str) -> Response:
    """What stations have laid down."""
    return await _list(services, request, "LOG")


async def get_log(services: Services, request: Request, _who: str) -> Response:
    """One of them, to be saved, never shown in a browser."""
    async with services.database.reading() as connection:
        try:
            file = await files.describe(connection, request.path_params["id"])
        except NoSuchFile as error:
            return said(str(error), 404)
    headers = HEADERS | _DOWNLOAD | {"Content-Length": str(file["octets"])}
    return StreamingResponse(files.content(services.database, file["id"]), headers=headers)


async def delete_file(services: Services, request: Request, _who: str) -> Response:
    """Stations that were given its address get 404 from now on."""
    async with services.database.work() as work:
        if not await files.remove(work.connection, request.path_params["id"]):
            return said("no such file", 404)
    return Response(status_code=204, headers=HEADERS)


async def _list(services: Services, request: Request, kind: str) -> Response:
    async with services.database.reading() as connection:
        rows = [_shown(file) for file in await files.list_files(connection, kind)]
    return as_csv(rows) if request.query_params.get("format") == "csv" else answered({"files": rows})


def _shown(file: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in file.items()}


ROUTES: Sequence[tuple[str, str, Work]] = (
    ("/api/firmware", "GET", get_firmware),
    ("/api/firmware", "POST", post_firmware),
    ("/api/firmware/{id}", "DELETE", delete_file),
    ("/api/logs", "GET", get_logs),
    ("/api/logs/{id}", "GET", get_log),
    ("/api/logs/{id}", "DELETE", delete_file),
)
