"""What Sessions and CDRs of OCPI 2.1.1 leave to their surroundings: the driver behind an ``auth_id``, and the Location
that they quote whole instead of naming it. Looks these up; knows neither module.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from roaming.model.identifiers import PartyId, fold
from roaming.model.location import Location
from roaming.model.session import Session
from roaming.ocpi.codec import DecodeContext, EncodeContext
from roaming.ocpi.errors import InvalidParameters
from roaming.partners.drivers import driver_with_contract
from roaming.store.documents import object_key, read_object, read_objects
from roaming.store.reader import Reader


async def contexts_to_write(
    reader: Reader, places: Iterable[tuple[str, str, PartyId, str]]
) -> Mapping[str, EncodeContext]:
    """For each (object key, its session's key, owner, location id): the Location as it was when the session began, else
    as it is known now. One that is not known is left out."""
    wanted = list(places)
    frozen = await read_objects(
        reader, "session_snapshots", [f"{session}#location" for _, session, _, _ in wanted], Location
    )
    keys = {key: object_key(owner, id) for key, session, owner, id in wanted if f"{session}#location" not in frozen}
    known = await read_objects(reader, "locations", set(keys.values()), Location)
    found = {key: frozen.get(f"{session}#location") or known.get(keys.get(key, "")) for key, session, _, _ in wanted}
    return {key: EncodeContext(location=location) for key, location in found.items() if location is not None}


async def context_to_read(
    connection: AsyncConnection, body: Any, party: PartyId, *, owners: Sequence[PartyId], session: Session | None
) -> DecodeContext:
    """For a body of the CPO ``party``: whose token it is, among those of the hosted ``owners``, and what is known of
    the place; ``session`` as stored so far. Raises ``InvalidParameters`` for a contract that is nobody's here."""
    body = body if isinstance(body, dict) else {}
    token = session.cdr_token if session is not None else None
    auth_id = body.get("auth_id")
    if isinstance(auth_id, str) and (token is None or fold(token.contract_id) != fold(auth_id)):
        driver = await driver_with_contract(connection, auth_id, owners=owners)
        if driver is None:
            raise InvalidParameters("auth_id: no driver of an eMSP that you have an agreement with here has it")
        token = driver.cdr_token()
    quoted = body.get("location")
    location_id = quoted.get("id") if isinstance(quoted, dict) else None
    location = None
    if isinstance(location_id, str):
        location = await read_object(connection, "locations", object_key(party, location_id), Location)
    return DecodeContext(
        cdr_token=token,
        location=location,
        evse_uid=session.evse_uid if session is not None else None,
        connector_id=session.connector_id if session is not None else None,
        time_zone=location.time_zone if location is not None else None,
    )
