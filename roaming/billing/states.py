"""In which state a CDR is, derived from what is known of it. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What has become of a CDR, for its billing."""

    DRAFT = "DRAFT"
    """Issued here, not handed to a delivery yet."""
    HELD = "HELD"
    """Ours: nobody to send it to. Whoever's: the check holds it for a person."""
    SENT = "SENT"
    """On its way."""
    ACKNOWLEDGED = "ACKNOWLEDGED"
    """The partner took it; or it came from a partner, and nothing is against it."""
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    """Perhaps received: an answer was lost, or we gave up."""
    DISPUTED = "DISPUTED"
    CREDITED = "CREDITED"
    SETTLED = "SETTLED"
    """A closed statement settles it."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one CDR."""

    is_ours: bool
    is_told_here: bool = False
    """Both parties are hosted here: nothing needs to be sent."""
    is_waiting: bool = False
    """Written down to be told, not handed to a delivery yet."""
    delivery: str = ""
    """PENDING, DELIVERED, REFUSED, DEAD, DROPPED; empty: there is none."""
    is_in_doubt: bool = False
    outcome: str = ""
    """Of the check, or a person's decision; empty: not checked."""
    is_disputed: bool = False
    is_credited: bool = False
    is_settled: bool = False


_DELIVERED = {
    "DELIVERED": State.ACKNOWLEDGED,
    "REFUSED": State.REJECTED,
    "DEAD": State.UNKNOWN,
    "DROPPED": State.HELD,
}


def state_of(facts: Facts) -> State:
    """The state. What was decided between the parties comes before how it was sent."""
    if facts.is_credited:
        return State.CREDITED
    if facts.is_disputed:
        return State.DISPUTED
    if facts.is_settled:
        return State.SETTLED
    if facts.outcome in ("HOLD", "DISPUTE"):
        return State.HELD
    if not facts.is_ours:
        return State.ACKNOWLEDGED
    if facts.delivery == "PENDING":
        return State.UNKNOWN if facts.is_in_doubt else State.SENT
    if facts.delivery:
        return _DELIVERED[facts.delivery]
    if facts.is_waiting:
        return State.DRAFT
    return State.ACKNOWLEDGED if facts.is_told_here else State.HELD
