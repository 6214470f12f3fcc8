"""Commands of hosted eMSPs to partners' stations: sent, and waited for until the station has spoken."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.output import Tell, fail
from roaming.cli.registering import party_of
from roaming.cli.waiting import wait_until
from roaming.model.command import (
    CancelReservation,
    CommandResponseType,
    CommandResultType,
    CommandType,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.session import Session
from roaming.model.token import Token
from roaming.modules.commands.sending import send
from roaming.modules.tokens.repository import find_ours
from roaming.ocpi import sent
from roaming.ocpi.callbacks import NotSent
from roaming.ocpi.module import Services
from roaming.partners.directory import Directory, Partner
from roaming.store.documents import object_key, read_object

RESERVATION_IDS = 2**31
"""2.1.1 has numbers for ids of reservations: no larger than any partner reads."""
RESPONSE_URL = "set when it is sent"


@dataclass(frozen=True, kw_only=True)
class Whom:
    """Who asks whom, as typed. ``emsp`` may be empty where only one can be meant."""

    cpo: str
    emsp: str
    wait: float
    """Seconds for the station's result; 0: none."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Who asks whom."""

    services: Services
    directory: Directory
    partner: Partner
    cpo: PartyId
    emsps: tuple[PartyId, ...]
    """Hosted eMSPs that may be meant: those under agreement with the CPO."""

    @property
    def emsp(self) -> PartyId:
        """The one that is meant, or the end of the command."""
        if len(self.emsps) != 1:
            fail(f"--emsp: say which of {', '.join(map(str, self.emsps))} asks")
        return self.emsps[0]


Made = tuple[PartyId, Any]
Make = Callable[[Ends], Awaitable[Made]]


async def start(
    whom: Whom,
    location_id: str,
    evse_uid: str | None,
    connector_id: str | None,
    *,
    token: str,
    token_type: str,
    tell: Tell,
) -> dict[str, Any]:
    """START_SESSION with a token of a hosted eMSP."""

    async def make(ends: Ends) -> Made:
        driver = await _token(ends, token, token_type)
        return PartyId.of(driver.country_code, driver.party_id), StartSession(
            response_url=RESPONSE_URL,
            token=driver,
            location_id=location_id,
            evse_uid=evse_uid,
            connector_id=connector_id,
        )

    return await _command(CommandType.START_SESSION, whom, make, tell=tell)


async def stop(whom: Whom, session_id: str, *, tell: Tell) -> dict[str, Any]:
    """STOP_SESSION of a charge that the partner has told us of."""

    async def make(ends: Ends) -> Made:
        async with ends.services.database.reading() as connection:
            session = await read_object(connection, "sessions", object_key(ends.cpo, session_id), Session)
        owner = PartyId.of(session.cdr_token.country_code, session.cdr_token.party_id) if session is not None else None
        if session is None or owner not in ends.emsps:
            fail(
                f"{ends.cpo} has told of no session {session_id} of your drivers:"
                f" see `roaming session list --partner {ends.partner.id}`"
            )
        return owner, StopSession(response_url=RESPONSE_URL, session_id=session.id)

    return await _command(CommandType.STOP_SESSION, whom, make, tell=tell)


async def unlock(whom: Whom, location_id: str, evse_uid: str, connector_id: str, *, tell: Tell) -> dict[str, Any]:
    """UNLOCK_CONNECTOR."""

    async def make(ends: Ends) -> Made:
        return ends.emsp, UnlockConnector(
            response_url=RESPONSE_URL, location_id=location_id, evse_uid=evse_uid, connector_id=connector_id
        )

    return await _command(CommandType.UNLOCK_CONNECTOR, whom, make, tell=tell)


async def reserve(
    whom: Whom,
    location_id: str,
    evse_uid: str | None,
    *,
    token: str,
    token_type: str,
    minutes: int,
    reservation_id: str,
    tell: Tell,
) -> dict[str, Any]:
    """RESERVE_NOW from now on for ``minutes``; the answer names the reservation, which ``cancel`` wants."""
    reservation = reservation_id or str(secrets.randbelow(RESERVATION_IDS - 1) + 1)

    async def make(ends: Ends) -> Made:
        driver = await _token(ends, token, token_type)
        return PartyId.of(driver.country_code, driver.party_id), ReserveNow(
            response_url=RESPONSE_URL,
            token=driver,
            expiry_date=ends.services.clock.now() + timedelta(minutes=minutes),
            reservation_id=reservation,
            location_id=location_id,
            evse_uid=evse_uid,
        )

    return {"reservation": reservation} | await _command(CommandType.RESERVE_NOW, whom, make, tell=tell)


async def cancel(whom: Whom, reservation_id: str, *, tell: Tell) -> dict[str, Any]:
    """CANCEL_RESERVATION."""

    async def make(ends: Ends) -> Made:
        return ends.emsp, CancelReservation(response_url=RESPONSE_URL, reservation_id=reservation_id)

    return await _command(CommandType.CANCEL_RESERVATION, whom, make, tell=tell)


def is_done(told: dict[str, Any]) -> bool:
    """Whether the station did it, or, where nobody waited, whether the partner took it."""
    return (told["result"] or told["response"]) == CommandResultType.ACCEPTED and "next" not in told


async def _command(name: CommandType, whom: Whom, make: Make, *, tell: Tell) -> dict[str, Any]:
    async with services_of_now() as services:
        ends = await _ends(services, whom)
        emsp, command = await make(ends)
        try:
            asked = await send(services, ends.partner, name, command, emsp=emsp, cpo=ends.cpo)
        except NotSent as error:
            fail(f"not sent: {error}; `roaming partner check {ends.partner.id}` shows what it offers")
        finally:
            await services.journal.flush()
        told: dict[str, Any] = {
            "command": name.value,
            "id": asked.id,
            "from": str(emsp),
            "to": f"{ends.cpo} ({ends.partner.id})",
            "response": asked.response,
            "result": "",
        }
        tell(f"{ends.partner.id} answered: {asked.response}")
        if asked.response == CommandResponseType.ACCEPTED and whom.wait:
            kept = await result_of(services, asked.id, whom.wait, tell=tell)
            told["result"] = kept.result if kept is not None else ""
            if not told["result"]:
                told["next"] = (
                    f"no result after {whom.wait:g} s; it comes to {services.public_url}, where the hub must be"
                    " running: `roaming command list` shows it later"
                )
    return told


async def _ends(services: Services, whom: Whom) -> Ends:
    cpo = party_of(whom.cpo)
    directory = await services.directory.current()
    if directory.is_hosted(cpo, Role.CPO):
        fail(f"{cpo} is hosted here: commands go from your eMSPs to partners' stations")
    partner = directory.partner_of(cpo, Role.CPO)
    if partner is None:
        fail(f"no registered partner speaks for {cpo} as CPO: see `roaming partner list`")
    emsps = [emsp for emsp in directory.hosted_parties(Role.EMSP) if directory.may_exchange(cpo=cpo, emsp=emsp)]
    if whom.emsp:
        meant = party_of(whom.emsp)
        if not directory.is_hosted(meant, Role.EMSP):
            fail(f"--emsp: {meant} is no eMSP hosted here: see `roaming party list`")
        emsps = [emsp for emsp in emsps if emsp == meant]
    if not emsps:
        who = whom.emsp or "any eMSP hosted here"
        fail(f"there is no agreement between {cpo} and {who}: nothing may be asked of its stations")
    return Ends(services=services, directory=directory, partner=partner, cpo=cpo, emsps=tuple(emsps))


async def _token(ends: Ends, uid: str, token_type: str) -> Token:
    token = await find_ours(ends.services.database, uid, token_type.upper(), ends.emsps)
    if token is None:
        owners = " or ".join(map(str, ends.emsps))
        fail(f"--token: {owners} has no {token_type.upper()} token {uid}: see `roaming token list`")
    return token


async def result_of(services: Services, id: str, seconds: float, *, tell: Tell = lambda _: None) -> sent.Sent | None:
    """What was sent, with the station's word, or nothing within ``seconds``: it comes to the running hub, another
    process than this."""

    async def look() -> sent.Sent | None:
        async with services.database.reading() as connection:
            found = await sent.find(connection, id)
        return found if found is not None and found.result else None

    return await wait_until(
        look, lambda found: found is not None, seconds, tell=tell, say=lambda _: "waiting for the station"
    )


async def list_commands(limit: int) -> list[dict[str, Any]]:
    """What was asked of partners, the newest first. Kept for a day."""
    async with services_of_now() as services:
        rows = await services.database.reader.fetch(
            "SELECT id, module, name, partner_id, created_at, response, result, answered_at FROM sent_commands"
            " ORDER BY created_at DESC, id LIMIT $1",
            limit,
        )
    names = ("id", "module", "command", "partner", "sent", "response", "result", "answered")
    return [dict(zip(names, row, strict=True)) for row in rows]
