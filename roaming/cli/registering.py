"""Partners, parties, deliveries and dead letters from the command line."""

import json
from typing import Any

from sqlalchemy import update

from roaming.cli.database import known_partner, services_of_now
from roaming.cli.output import fail
from roaming.model.identifiers import PartyId
from roaming.modules.credentials.service import RegistrationFailed, register
from roaming.monitoring import wire
from roaming.monitoring.watching import PROJECTIONS as WATCHING
from roaming.ocpi.credentials_token import new_token
from roaming.ocpi.dialect import departures
from roaming.ocpi.outgoing import DELIVERIES
from roaming.operations.projection import PROJECTION as OPERATIONS
from roaming.partners import registry
from roaming.partners.presence import silent_since, state_of
from roaming.stations import presence
from roaming.store.dead_letters import list_dead, replay

STATES = ("PENDING", "DELIVERED", "REFUSED", "DEAD", "DROPPED")


def party_of(text: str) -> PartyId:
    """A party from the command line."""
    try:
        return PartyId.parse(text)
    except ValueError as error:
        fail(str(error))


async def add_partner(
    partner_id: str, *, name: str, parties: list[str], url: str, token: str, is_agreeing: bool, counterpart: str
) -> dict[str, Any]:
    """Makes a partner and a TOKEN_A for it, or registers with it."""
    allowed = [party_of(party) for party in parties]
    facing = party_of(counterpart) if counterpart else None
    async with services_of_now() as services:
        directory = await services.directory.current()
        if facing is not None and not directory.is_hosted(facing):
            fail(f"--as: {facing} is not hosted here: see `roaming party list`")
        async with services.database.work() as work:
            known = directory.find_partner(partner_id)
            partner_id = known.id if known is not None else partner_id
            if known is None:
                await registry.add_partner(
                    work,
                    id=partner_id,
                    name=name,
                    versions_url=url,
                    allowed_parties=allowed,
                    is_agreeing=is_agreeing,
                    counterpart=facing,
                )
            elif facing is not None:
                await registry.set_counterpart(work, partner_id, facing)
        if url and token:
            try:
                offer = await register(services, partner_id, versions_url=url, token_a=token)
            except RegistrationFailed as error:
                fail(f"registration: {error}")
            finally:
                await services.journal.flush()
            return {"partner": partner_id, "state": "CONNECTED", "version": offer.version.value}
        token_a = new_token()
        async with services.database.work() as work:
            await registry.allow_token(
                work, partner_id=partner_id, digest=services.secrets.digest(token_a), is_registration=True
            )
        return {
            "partner": partner_id,
            "versions": f"{services.public_url}/versions",
            "TOKEN_A": token_a,
            "note": "shown once; hand both to the partner, who then POSTs its credentials",
        }


async def allow_parties(partner_id: str, parties: list[str]) -> dict[str, Any]:
    """Names parties that a partner, and no other, may speak for."""
    wanted = [party_of(party) for party in parties]
    async with services_of_now() as services:
        directory = await services.directory.current()
        partner = await known_partner(services, partner_id)
        for party in wanted:
            if directory.is_hosted(party):
                fail(f"{party} is hosted by this hub: a partner cannot speak for it")
        async with services.database.work() as work:
            named = await registry.allow_parties(work, partner.id, wanted)
    row = {"partner": partner.id, "parties": ", ".join(sorted(map(str, named)))}
    spoken = {
        other.id: party
        for other in directory.partners.values()
        for party in wanted
        if other.id != partner.id and party in other.parties()
    }
    if spoken:
        said = "; ".join(f"{party} stays with {id} until {id} registers anew" for id, party in spoken.items())
        row["taken"] = said
    return row


async def list_partners() -> list[dict[str, Any]]:
    """All partners."""
    async with services_of_now() as services:
        directory = await services.directory.current()
        silent = await silent_since(services.database.reader)
    return [
        {
            "id": partner.id,
            "name": partner.name,
            "state": state_of(partner, silent),
            "version": partner.version.value if partner.version else "",
            "parties": " ".join(f"{role.party}:{role.role}" for role in partner.roles),
            "modules": len(partner.endpoints),
            "dialect": " ".join(departures(partner.dialect)),
        }
        for partner in directory.partners.values()
    ]


async def list_deliveries(state: str, partner_id: str, limit: int) -> list[dict[str, Any]]:
    """Deliveries, to one partner or all, the oldest first."""
    if state and state.upper() not in STATES:
        fail(f"--state: one of {', '.join(STATES)}")
    wanted = [state.upper()] if state else ["PENDING", "REFUSED", "DEAD"]
    given = [limit, *wanted, *([partner_id] if partner_id else [])]
    marks = ", ".join(f"${number}" for number in range(2, 2 + len(wanted)))
    to_one = f" AND partner_id = ${len(given)}" if partner_id else ""
    async with services_of_now() as services:
        if partner_id:
            given[-1] = (await known_partner(services, partner_id)).id
        rows = await services.database.reader.fetch(
            "SELECT id, partner_id, module, object_key, state, attempts, due_at, last_error"  # noqa: S608 - placeholders
            f" FROM deliveries WHERE state IN ({marks}){to_one} ORDER BY id LIMIT $1",
            *given,
        )
    names = ("id", "partner", "module", "object", "state", "attempts", "due", "last error")
    return [dict(zip(names, row, strict=True)) for row in rows]


async def replay_deliveries(ids: list[int]) -> dict[str, Any]:
    """Makes refused and dead deliveries pending again."""
    async with services_of_now() as services, services.database.work() as work:
        done = await work.connection.execute(
            update(DELIVERIES)
            .where(DELIVERIES.c.id.in_(ids), DELIVERIES.c.state.in_(["REFUSED", "DEAD", "DROPPED"]))
            .values(state="PENDING", attempts=0, due_at=work.now, created_at=work.now, last_error="", is_full=True)
        )
        work.wake("deliveries")
    return {"asked": len(ids), "pending again": done.rowcount}


async def list_dead_letters(limit: int) -> list[dict[str, Any]]:
    """Dead letters, the oldest first."""
    async with services_of_now() as services:
        letters = await list_dead(services.database.reader, limit=limit)
    return [json.loads(json.dumps(letter, default=str)) for letter in map(_as_row, letters)]


def _as_row(letter: Any) -> dict[str, Any]:
    return {
        "id": letter.id,
        "consumer": letter.consumer,
        "type": letter.type,
        "subject": letter.subject,
        "error": letter.error[:120],
        "at": letter.at,
    }


async def replay_dead_letters(ids: list[int]) -> dict[str, Any]:
    """Hands dead letters to their consumers again."""
    async with services_of_now() as services:
        projections = [presence.PROJECTION, OPERATIONS, *WATCHING]
        for module in services.modules:
            projections.extend(module.projections(services))
        projections.append(wire.projection(services.wire_kilobytes, services.wire_megabytes))
        rows = await replay(services.database, ids, projections)
    return {"asked": len(ids), **{str(row.id): row.error or "handled" for row in rows}}
