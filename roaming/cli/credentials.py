"""What partners hold of our credentials, changed by commands: parties told, tokens renewed, connections left."""

from typing import Any

from roaming.cli.database import known_partner, services_of_now
from roaming.cli.output import Tell, fail
from roaming.cli.registering import party_of
from roaming.model.identifiers import PartyId
from roaming.model.party import Role
from roaming.model.version import Version
from roaming.modules.credentials.service import RegistrationFailed, leave, renew
from roaming.ocpi.module import Services
from roaming.partners import registry
from roaming.partners.directory import Partner


async def add_party(party: str, *, role: str, name: str, is_telling: bool, tell: Tell) -> dict[str, Any]:
    """Hosts a party, agrees on it as a registration would, and tells partners by PUT of our credentials, which list
    our roles (OCPI 2.2.1, credentials, updating the credentials and resetting the credentials token)."""
    role = role.upper()
    if role not in (Role.CPO, Role.EMSP, Role.OTHER):
        fail(f"--role: {role} cannot be hosted; CPO, EMSP, or OTHER for a provider of payment terminals")
    parsed = party_of(party)
    async with services_of_now() as services:
        async with services.database.work() as work:
            await registry.host_party(work, parsed, role, name=name)
            agreed = await registry.agree_for_hosted(work, parsed, role)
        concerned = await _concerned(services, parsed)
        untold: dict[str, str] = {} if is_telling else dict.fromkeys(concerned, "--no-tell")
        for partner in concerned if is_telling else []:
            tell(f"{partner}: telling it by PUT of our credentials")
            try:
                await _renewed(services, partner)
            except RegistrationFailed as error:
                untold[partner] = str(error)
    added: dict[str, Any] = {
        "party": str(parsed),
        "role": role,
        "name": name,
        "agreements": [f"{other} ({partner})" for partner, other in agreed],
        "told": [partner for partner in concerned if partner not in untold],
        "not told": [f"{partner}: {reason}" for partner, reason in untold.items()],
    }
    if untold:
        added["next"] = [f"roaming partner renew {partner}" for partner in untold]
    return added


async def _concerned(services: Services, party: PartyId) -> list[str]:
    """Connected partners whose copy of our credentials names ``party``, or should. 2.1.1 names one party only."""
    directory = await services.directory.current()
    return [
        partner.id
        for partner in directory.partners.values()
        if partner.is_connected and (partner.version != Version.V2_1_1 or partner.counterpart == party)
    ]


async def renew_partner(partner_id: str, *, tell: Tell) -> dict[str, Any]:
    """Sends our credentials as they are now, with a new token, and takes the partner's. Ends the command when that
    fails; then the tokens of before are still good here."""
    async with services_of_now() as services:
        partner = await _registered(services, partner_id)
        tell(f"{partner.id}: asking {partner.versions_url}, then PUT of our credentials")
        try:
            version = await _renewed(services, partner.id)
        except RegistrationFailed as error:
            fail(
                f"renewal: {error}. The hub must be running, since {partner.id} calls back at"
                f" {services.public_url}/versions; `roaming partner check {partner.id}` looks at its side"
            )
        directory = await services.directory.current()
    return {
        "partner": partner.id,
        "state": "CONNECTED",
        "version": version,
        "its modules": len(directory.partners[partner.id].endpoints),
        "our roles": [f"{entry.party}:{entry.role}" for entry in directory.hosted],
    }


async def _renewed(services: Services, partner_id: str) -> str:
    try:
        return (await renew(services, partner_id)).version.value
    finally:
        await services.journal.flush()


async def leave_partner(partner_id: str, *, tell: Tell) -> dict[str, Any]:
    """Ends a connection on both sides: DELETE there, no token good any more here. What was exchanged stays."""
    async with services_of_now() as services:
        partner = await _registered(services, partner_id)
        tell(f"{partner.id}: DELETE of our credentials")
        try:
            refusal = await leave(services, partner.id)
        finally:
            await services.journal.flush()
    return {
        "partner": partner.id,
        "state": "SUSPENDED",
        "it answered": refusal or "ok",
        "next": f"roaming partner add {partner.id} makes a TOKEN_A to begin again",
    }


async def _registered(services: Services, partner_id: str) -> Partner:
    partner = await known_partner(services, partner_id)
    if not partner.is_connected:
        fail(f"{partner.id} is {partner.state}, not registered: roaming partner add {partner.id}")
    return partner
