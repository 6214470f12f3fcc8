"""Rows of partners, credentials tokens, hosted parties and agreements. They never leave this folder."""

from datetime import datetime

from sqlalchemy import Boolean, Column, Index, Integer, Text, true
from sqlmodel import Field, SQLModel

from roaming.store.columns import UtcDateTime


class PartnerRow(SQLModel, table=True):
    """A platform on the other side."""

    __tablename__ = "partners"

    id: str = Field(primary_key=True)
    name: str
    state: str = "PLANNED"
    version: str = ""
    versions_url: str = ""
    endpoints: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    roles: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    dialect: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    allowed_parties: str = Field(default="[]", sa_column=Column(Text, nullable=False))
    is_agreeing: bool = Field(default=True, sa_column=Column(Boolean, nullable=False))
    sealed_token: str = Field(default="", sa_column=Column(Text, nullable=False))
    counterpart: str = ""
    """The one hosted party that a 2.1.1 connection is with, such as NL-HUB."""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    connected_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class CredentialsTokenRow(SQLModel, table=True):
    """The keyed digest of a token that a partner may identify with."""

    __tablename__ = "credentials_tokens"

    digest: str = Field(primary_key=True)
    partner_id: str = Field(index=True)
    is_registration: bool = Field(sa_column=Column(Boolean, nullable=False))
    """TOKEN_A: good for versions and credentials only."""
    valid_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class PartyRow(SQLModel, table=True):
    """A party hosted here."""

    __tablename__ = "parties"

    country_code: str = Field(primary_key=True)
    party_id: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    name: str
    website: str | None = None


class PartnerPresenceRow(SQLModel, table=True):
    """Whether a connected partner can be reached; one without a row can."""

    __tablename__ = "partner_presence"

    partner_id: str = Field(primary_key=True)
    is_offline: bool = Field(sa_column=Column(Boolean, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class PartnerCheckRow(SQLModel, table=True):
    """What the last check of a partner found."""

    __tablename__ = "partner_checks"

    partner_id: str = Field(primary_key=True)
    checked_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    verdict: str
    report: str = Field(sa_column=Column(Text, nullable=False))
    """JSON, as ``roaming.hub.conformance.report`` writes it."""


class AgreementRow(SQLModel, table=True):
    """A CPO and an eMSP exchange data; nothing flows without one."""

    __tablename__ = "agreements"

    cpo: str = Field(primary_key=True)
    """``NL-TNM``."""
    emsp: str = Field(primary_key=True)
    is_active: bool = Field(default=True, sa_column=Column(Boolean, nullable=False))
    since: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    readings: str = Field(default="{}", sa_column=Column(Text, nullable=False, server_default="{}"))
    """How the two read what the texts leave open, by the names of ``rating.Readings``, as JSON: only what is not the
    default."""


class RuleRow(SQLModel, table=True):
    """One rule: see ``agreements.Rule``. Of a subject, an object and a command there is one that allows or denies, and
    one that prices for each group of tokens and each time."""

    __tablename__ = "rules"
    __table_args__ = {"sqlite_autoincrement": True}  # people know rules by their number

    id: int | None = Field(default=None, primary_key=True)
    place: str = Field(unique=True)
    effect: str
    subject_kind: int
    subject: str
    kind: str
    owner: str
    """``NL-TNM``; empty for a group of locations."""
    location_group: str
    object_id: str
    evse_uid: str
    command: str
    tariff_ids: str = Field(sa_column=Column(Text, nullable=False))
    note: str = Field(default="", sa_column=Column(Text, nullable=False))
    token_group: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    valid_from: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    valid_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    is_in_force: bool = Field(default=True, sa_column=Column(Boolean, nullable=False, server_default=true()))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class RuleChangeRow(SQLModel, table=True):
    """A change of an agreement, a rule or a group by an operator. Kept for ever: few, and asked for years later."""

    __tablename__ = "rule_changes"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    who: str
    """``cli:`` with a user of the machine, or ``api:`` with an operator's token by its name."""
    action: str
    what: str = Field(sa_column=Column(Text, nullable=False))


class GroupMemberRow(SQLModel, table=True):
    """A party in a named group of parties, a location in one of locations, a token in one of tokens."""

    __tablename__ = "group_members"

    kind: str = Field(primary_key=True)
    """parties, locations or tokens."""
    name: str = Field(primary_key=True)
    owner: str = Field(primary_key=True)
    """``NL-TNM``: the party, or whose location or token."""
    object_id: str = Field(default="", primary_key=True)
    """The location's folded id; the token's folded uid, or the folded ``group_id`` of several."""


class OperatorTokenRow(SQLModel, table=True):
    """The keyed digest of a token by which a person or a program of the hub's operator asks its own API."""

    __tablename__ = "operator_tokens"

    name: str = Field(primary_key=True)
    digest: str = Field(unique=True)
    party: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    """What belongs to this one is all that it may see; empty: everything."""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class RetellingRow(SQLModel, table=True):
    """What a partner must be told because a rule, a group or an agreement changed, and how far that has come."""

    __tablename__ = "retellings"
    __table_args__ = (Index("retellings_open", "is_done", "id"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    partner_id: str
    module: str
    owner: str
    before: str = Field(sa_column=Column(Text, nullable=False))
    """``views.View`` before the change, as JSON."""
    keys: str = Field(sa_column=Column(Text, nullable=False))
    """Folded ids that may differ, as a JSON list; empty: all of the owner."""
    cursor: str = Field(default="", sa_column=Column(Text, nullable=False))
    """The key up to which everything has been looked at."""
    looked_at: int = 0
    told: int = 0
    is_done: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    finished_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True, index=True))
    """Empty for one that was set aside."""
    error: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    """Why it was set aside: it is done, without having been told to its end, until a worker starts again."""


class DirectoryStateRow(SQLModel, table=True):
    """One row whose revision rises with every change of the directory, so that copies in memory know."""

    __tablename__ = "directory_state"

    id: int = Field(primary_key=True)
    revision: int = Field(sa_column=Column(Integer, nullable=False))


class DriverTokenRow(SQLModel, table=True):
    """Whose contract a token belongs to, wherever we learnt of it: a pushed Token, an authorisation, a command."""

    __tablename__ = "driver_tokens"

    uid_folded: str = Field(primary_key=True)
    country_code: str = Field(primary_key=True)
    party_id: str = Field(primary_key=True)
    type: str = Field(primary_key=True)
    uid: str
    contract_id: str
    contract_folded: str = Field(default="", index=True)
    """2.1.1 sessions and CDRs name the contract only."""
    group_id: str | None = None
    whitelist: str = "NEVER"
    is_valid: bool = Field(default=True, sa_column=Column(Boolean, nullable=False))
    default_profile_type: str | None = None
    """Which of several tariffs its charges begin with, where its owner said so (OCPI 2.2.1, tokens)."""
    source: str = ""
    """Partner that speaks for the owner; empty when the owner is hosted here."""
    used_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    """Last authorised or changed: decides between owners that use the same uid."""
