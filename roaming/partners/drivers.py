"""Which driver stands behind a token uid: the owner and contract that a session and its CDR are addressed to.

Fed by pushed Tokens, by real-time authorisations and by tokens inside commands; read by whoever makes sessions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.messages import TokenOwner
from roaming.model.identifiers import PartyId, fold
from roaming.model.token import CdrToken, Token
from roaming.partners.tables import AgreementRow, DriverTokenRow
from roaming.store.bulk import upsert
from roaming.store.columns import text_to_time
from roaming.store.database import Database, Work

DRIVERS = DriverTokenRow.__table__  # type: ignore[attr-defined]
AGREEMENTS = AgreementRow.__table__  # type: ignore[attr-defined]
_ISSUER = re.compile(r"([A-Za-z]{2})[-*]?([A-Za-z0-9]{3})(?![A-Za-z0-9]?$)")
_COLUMNS = (
    "uid, country_code, party_id, type, contract_id, group_id, whitelist, is_valid, default_profile_type,"
    " source, used_at"
)
_FIND = f"SELECT {_COLUMNS} FROM driver_tokens WHERE uid_folded = $1 ORDER BY used_at DESC"  # noqa: S608


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A token and its owner."""

    uid: str
    owner: PartyId
    type: str
    contract_id: str
    group_id: str | None
    whitelist: str
    is_valid: bool
    source: str
    used_at: datetime
    default_profile_type: str | None = None
    """As its owner wrote it; what is not known is nobody's profile."""

    def token_owner(self) -> TokenOwner:
        """As adapters are told, and tell us again when a charge begins."""
        return TokenOwner(
            country_code=self.owner.country_code,
            party_id=self.owner.party_id,
            token_type=self.type,
            contract_id=self.contract_id,
        )

    def token(self) -> Token:
        """As far as it is known here, for answers that do not repeat it (2.1.1)."""
        return Token(
            country_code=self.owner.country_code,
            party_id=self.owner.party_id,
            uid=self.uid,
            type=self.type,
            contract_id=self.contract_id,
            issuer="",
            group_id=self.group_id,
            valid=self.is_valid,
            whitelist=self.whitelist,
            default_profile_type=self.default_profile_type,
            last_updated=self.used_at,
        )

    def cdr_token(self) -> CdrToken:
        """As it stands in sessions and CDRs."""
        return CdrToken(
            country_code=self.owner.country_code,
            party_id=self.owner.party_id,
            uid=self.uid,
            type=self.type,
            contract_id=self.contract_id,
        )


def driver_of(token: Token, *, source: str, now: datetime) -> Driver:
    """The driver that an OCPI Token describes."""
    return Driver(
        uid=token.uid,
        owner=PartyId.of(token.country_code, token.party_id),
        type=token.type,
        contract_id=token.contract_id,
        group_id=token.group_id,
        whitelist=token.whitelist,
        is_valid=token.valid,
        default_profile_type=token.default_profile_type,
        source=source,
        used_at=now,
    )


async def remember(work: Work, driver: Driver, *, is_used: bool = False) -> None:
    """Keeps what was learnt of a token; the newest word counts. ``is_used``: the driver was just authorised, which a
    Token pushed by another owner of the same uid must not outweigh."""
    row = {
        "uid_folded": fold(driver.uid),
        "country_code": driver.owner.country_code,
        "party_id": driver.owner.party_id,
        "type": driver.type,
        "uid": driver.uid,
        "contract_id": driver.contract_id,
        "contract_folded": fold(driver.contract_id),
        "group_id": driver.group_id,
        "whitelist": driver.whitelist,
        "is_valid": driver.is_valid,
        "default_profile_type": driver.default_profile_type,
        "source": driver.source,
        "used_at": driver.used_at,
    }
    await upsert(
        work.connection,
        DRIVERS,
        [row],
        key=("uid_folded", "country_code", "party_id", "type"),
        update=(
            "uid",
            "contract_id",
            "contract_folded",
            "group_id",
            "whitelist",
            "is_valid",
            "default_profile_type",
            "source",
            *(("used_at",) if is_used else ()),
        ),
    )


async def touch_driver(work: Work, driver: Driver) -> None:
    """Notes that this driver was just authorised, so that of several with one uid the right one is found."""
    await remember(work, replace(driver, used_at=work.now), is_used=True)


async def find_drivers(database: Database, uid: str) -> list[Driver]:
    """Every driver with this uid, compared without case, the one last used first. Committed data only."""
    rows = await database.reader.fetch(_FIND, fold(uid))
    return [_driver(row) for row in rows]


async def driver_who_charges(connection: AsyncConnection, uid: str, owner: TokenOwner) -> Driver | None:
    """The driver with this uid whose owner has authorised a charge."""
    party = PartyId.of(owner.country_code, owner.party_id)
    statement = select(*(DRIVERS.c[name.strip()] for name in _COLUMNS.split(","))).where(
        DRIVERS.c.uid_folded == fold(uid),
        DRIVERS.c.country_code == party.country_code,
        DRIVERS.c.party_id == party.party_id,
        DRIVERS.c.type == owner.token_type,
    )
    row = (await connection.execute(statement)).one_or_none()
    return _driver(row) if row is not None else None


async def group_of(connection: AsyncConnection, uid: str, owner: PartyId) -> str | None:
    """The ``group_id`` of a token, as far as its owner has told of it."""
    of_owner = (DRIVERS.c.country_code == owner.country_code) & (DRIVERS.c.party_id == owner.party_id)
    statement = select(DRIVERS.c.group_id).where(of_owner & (DRIVERS.c.uid_folded == fold(uid)))
    return (await connection.execute(statement.order_by(DRIVERS.c.used_at.desc()).limit(1))).scalar_one_or_none()


def issuer_of(contract_id: str) -> PartyId | None:
    """The party that a contract id begins with (eMI3 standard V1.0, part 2: ``DE-8AA-C12345678-X``, the hyphens
    optional), if it is written so."""
    found = _ISSUER.match(contract_id)
    return PartyId.of(found[1], found[2]) if found else None


async def driver_with_contract(
    connection: AsyncConnection, contract_id: str, *, owners: Sequence[PartyId]
) -> Driver | None:
    """The driver whom a 2.1.1 ``auth_id`` means, among those of ``owners``. Of several tokens of one contract: an RFID
    card before others, then the one last used. A contract that names one of ``owners`` is that owner's, whoever else
    pushed a Token with it."""
    issuer = issuer_of(contract_id)
    owners = [issuer] if issuer is not None and issuer in owners else owners
    statement = (
        select(*(DRIVERS.c[name.strip()] for name in _COLUMNS.split(",")))
        .where(
            DRIVERS.c.contract_folded == fold(contract_id),
            tuple_(DRIVERS.c.country_code, DRIVERS.c.party_id).in_([tuple(owner) for owner in owners]),
        )
        .order_by((DRIVERS.c.type == "RFID").desc(), DRIVERS.c.used_at.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).one_or_none()
    return _driver(row) if row is not None else None


async def find_driver(connection: AsyncConnection, uid: str, *, cpo: PartyId) -> Driver | None:
    """The driver with this uid who was last authorised, among those whose owner has an agreement with ``cpo``."""
    owner = DRIVERS.c.country_code + "-" + DRIVERS.c.party_id
    agreed = select(AGREEMENTS.c.emsp).where(AGREEMENTS.c.cpo == str(cpo), AGREEMENTS.c.is_active)
    statement = (
        select(*(DRIVERS.c[name.strip()] for name in _COLUMNS.split(",")))
        .where(DRIVERS.c.uid_folded == fold(uid), owner.in_(agreed))
        .order_by(DRIVERS.c.used_at.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).one_or_none()
    return _driver(row) if row is not None else None


def _driver(row: Any) -> Driver:
    uid, country, party, kind, contract, group, whitelist, is_valid, profile, source, used_at = row
    return Driver(
        uid=uid,
        owner=PartyId(country, party),
        type=kind,
        contract_id=contract,
        group_id=group,
        whitelist=whitelist,
        is_valid=bool(is_valid),
        default_profile_type=profile,
        source=source,
        used_at=text_to_time(used_at) if isinstance(used_at, str) else used_at,
    )
