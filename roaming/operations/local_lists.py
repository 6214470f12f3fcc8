"""The lists of tokens that stations decide by while they are offline: made from the token store, sent as differences.

A list goes out in pieces of a message each; the next piece is sent by whoever takes in the answer to the last one, in
the same transaction, so that nothing is lost or sent twice. What a station's version does not fit is sent anew in full.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages.operation import LocalListEntry, SendLocalList
from contracts.vocabulary import TokenChoice
from roaming.model.canonical import from_document
from roaming.model.identifiers import PartyId
from roaming.model.token import Token, WhitelistType
from roaming.operations.asking import Wish, ask
from roaming.operations.records import Record
from roaming.operations.selecting import StationKey
from roaming.operations.tables import LocalListRow
from roaming.partners.directory import Directory
from roaming.stations.bindings import bindings_of_stations
from roaming.store.bulk import upsert
from roaming.store.database import Work

LISTS = LocalListRow.__table__  # type: ignore[attr-defined]
Entries = Mapping[str, str]
"""Token → group; empty: none."""
PER_MESSAGE: Final = 100
MOST: Final = 10_000
LONGEST_UID: Final = 20
"""What a card of an OCPP 1.6 station can be (7.28); longer ones are read by no reader there."""
_OFFLINE: Final = (WhitelistType.ALWAYS, WhitelistType.ALLOWED, WhitelistType.ALLOWED_OFFLINE)


@dataclass(frozen=True, kw_only=True)
class Syncing:
    """How an operator wants it."""

    who: str
    why: str = ""
    is_full: bool = False
    """Whatever we know of the station's list."""
    per_message: int = PER_MESSAGE
    most: int = 1_000
    """Tokens on a list: the last changed ones."""


async def wanted_at(
    connection: AsyncConnection, directory: Directory, stations: Sequence[StationKey], most: int
) -> dict[StationKey, Entries]:
    """The tokens that may charge at every EVSE of each station without anybody being asked."""
    statement = text("SELECT document FROM tokens WHERE type = 'RFID' ORDER BY last_updated DESC, key LIMIT :most")
    rows = await connection.execute(statement, {"most": MOST * 10})
    tokens = [from_document(Token, row[0]) for row in rows]
    fitting = [t for t in tokens if t.valid and t.whitelist in _OFFLINE and len(t.uid) <= LONGEST_UID]
    bound = await bindings_of_stations(connection, stations)
    wanted: dict[StationKey, Entries] = {}
    for key in stations:
        places = [binding for (network, station_id, _), binding in bound.items() if (network, station_id) == key]
        allowed: dict[PartyId, bool] = {}
        entries: dict[str, str] = {}
        for token in fitting:
            emsp = PartyId.of(token.country_code, token.party_id)
            if emsp not in allowed:
                allowed[emsp] = bool(places) and all(
                    directory.decide_charging(
                        cpo=place.party, emsp=emsp, location_id=place.location_id, evse_uid=place.evse_uid
                    ).is_allowed
                    for place in places
                )
            if allowed[emsp] and len(entries) < most:
                entries.setdefault(token.uid, token.group_id or "")
        wanted[key] = entries
    return wanted


async def sync(work: Work, wanted: Mapping[StationKey, Entries], how: Syncing) -> list[dict[str, Any]]:
    """Begins for each station; how each stands then."""
    for (network, station_id), entries in sorted(wanted.items()):
        row = {
            "network": network,
            "station_id": station_id,
            "version": 0,
            "known": "{}",
            "wanted": json.dumps(dict(entries), sort_keys=True),
            "sent": "{}",
            "state": "SENDING",
            "detail": "",
            "operation_id": "",
            "per_message": how.per_message,
            "who": how.who,
            "why": how.why,
            "updated_at": work.now,
        }
        changed = ("wanted", "state", "detail", "per_message", "who", "why", "updated_at")
        forgotten = ("version", "known") if how.is_full else ()
        await upsert(work.connection, LISTS, [row], key=("network", "station_id"), update=(*changed, *forgotten))
        current = await _load(work.connection, (network, station_id))
        if not current["operation_id"]:  # else the answer to what is under way goes on with this
            await _send_next(work, current)
    return await standing(work.connection, list(wanted))


async def ended(work: Work, record: Record) -> None:
    """Takes in what came of a request, if it was a piece of a list."""
    if record.kind != "SEND_LOCAL_LIST":
        return
    chosen = select(LISTS).where(LISTS.c.operation_id == record.id).with_for_update()
    found = (await work.connection.execute(chosen)).mappings().one_or_none()
    if found is None:
        return
    row = dict(found)
    request = json.loads(record.request)
    match record.outcome:
        case "ACCEPTED":
            await _set(work, row, version=request["version"], known=row["sent"], operation_id="")
        case "VERSION_MISMATCH" if not request["is_full"]:
            told = json.loads(record.told) if record.told else {}
            await _set(
                work, row, version=0, known="{}", operation_id="", detail=f"was {told.get('version', 'another')}"
            )
        case outcome:
            state = "UNSUPPORTED" if outcome == "NOT_SUPPORTED" else "FAILED"
            detail = f"{outcome} {record.detail}".strip()
            # What a station made of it is not known: the next time all of it is sent
            await _set(work, row, version=0, known="{}", operation_id="", state=state, detail=detail)
            return
    await _send_next(work, await _load(work.connection, (row["network"], row["station_id"])))


async def _send_next(work: Work, row: Mapping[str, Any]) -> None:
    known, wanted = json.loads(row["known"]), json.loads(row["wanted"])
    changes = [(uid, group) for uid, group in wanted.items() if known.get(uid) != group]
    gone = [uid for uid in known if uid not in wanted]
    is_full = row["version"] == 0
    if not (changes or gone or is_full):
        await _set(work, row, state="SYNCED", operation_id="")
        return
    room = row["per_message"]
    taken = changes[:room]
    removed = [] if is_full else gone[: room - len(taken)]
    entries = [LocalListEntry(token_uid=u, choice=TokenChoice.ACCEPTED, group_id=g or None) for u, g in taken]
    entries += [LocalListEntry(token_uid=uid, choice=TokenChoice.REMOVE) for uid in removed]
    # By the clock: higher than whatever another system has sent, and whatever we have forgotten
    version = max(row["version"] + 1, int(work.now.timestamp()) - 1_500_000_000)
    order = SendLocalList(version=version, is_full=is_full, entries=tuple(entries))
    wish = Wish(order=order, who=row["who"], why=row["why"] or "local list")
    (record,) = await ask(work, [(row["network"], row["station_id"])], wish)
    sent = {uid: group for uid, group in known.items() if uid not in removed} | dict(taken)
    if record.is_over:
        state = {"state": "FAILED", "operation_id": "", "detail": f"{record.outcome} {record.detail}"}
        await _set(work, row, **state)
        return
    await _set(work, row, state="SENDING", operation_id=record.id, sent=json.dumps(sent, sort_keys=True))


async def _load(connection: AsyncConnection, key: StationKey) -> Mapping[str, Any]:
    statement = select(LISTS).where(LISTS.c.network == key[0], LISTS.c.station_id == key[1])
    return dict((await connection.execute(statement)).mappings().one())


async def _set(work: Work, row: Mapping[str, Any], **values: Any) -> None:
    at = (LISTS.c.network == row["network"]) & (LISTS.c.station_id == row["station_id"])
    await work.connection.execute(update(LISTS).where(at).values(**values, updated_at=work.now))


async def standing(connection: AsyncConnection, stations: Sequence[StationKey]) -> list[dict[str, Any]]:
    """How each list stands; those that were never sent are missing. Tokens are counted, not shown."""
    meant = set(stations)
    rows = (await connection.execute(select(LISTS).order_by(LISTS.c.station_id))).mappings()
    return [
        {
            "station": row["station_id"],
            "network": row["network"],
            "state": row["state"],
            "version": row["version"],
            "tokens": len(json.loads(row["known"])),
            "wanted": len(json.loads(row["wanted"])),
            "detail": row["detail"],
            "updated": row["updated_at"].isoformat(timespec="seconds"),
        }
        for row in rows
        if (row["network"], row["station_id"]) in meant
    ]
