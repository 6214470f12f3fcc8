"""What is known beside a CDR when it is checked. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from roaming.model.cdr import CDR
from roaming.model.location import Location
from roaming.model.session import Session
from roaming.model.tariff import Tariff
from roaming.rating import DEFAULT_READINGS, Readings
from roaming.rating.switching import Preferred


class Sibling(NamedTuple):
    """Another CDR of the same CPO, as far as duplicates and overlaps ask for it."""

    key: str
    cdr: CDR
    is_credited: bool


class TokenKnown(NamedTuple):
    """A token of the CDR's eMSP."""

    contract_id: str
    is_valid: bool
    default_profile_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class Known:
    """``None`` and empty mean: not known here."""

    key: str
    """Of the CDR."""
    received_at: datetime
    now: datetime
    session: Session | None = None
    tariff: Tariff | None = None
    """The CPO's tariff of that id as we hold it now."""
    offered: tuple[Tariff, ...] = ()
    """The tariffs of its connector as we hold them now."""
    preferred: tuple[Preferred, ...] = ()
    """Profiles that were accepted for its driver while it went on, in the order of time."""
    location: Location | None = None
    token: TokenKnown | None = None
    siblings: tuple[Sibling, ...] = field(default=())
    readings: Readings = DEFAULT_READINGS
    """How tariffs are read between the two parties."""
    credited: CDR | None = None
    """Of a credit: the CDR that it names."""
    is_session_expected: bool = True
    """False for the driver of an eMSP that is not hosted here: the hub need not know its sessions and tokens."""

    @property
    def time_zone(self) -> str:
        """Of the location; UTC where that is not known."""
        return self.location.time_zone if self.location is not None else "UTC"
