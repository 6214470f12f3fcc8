"""What the service says to adapters, in envelopes."""

import itertools
from datetime import UTC, datetime

from contracts.envelope import Envelope, wrap
from contracts.messages import Message, TokenChanged
from contracts.vocabulary import WhitelistPolicy

_numbers = itertools.count(1)


def envelope_of(message: Message, *, subject: str = "x", id: str | None = None, at: datetime | None = None) -> Envelope:
    """From the service, with an id of its own unless one is given, of what happened just now or ``at``."""
    number = next(_numbers)
    now = datetime.now(UTC)
    return wrap(
        message,
        id=id or f"message-{number}",
        subject=subject,
        sequence=number,
        occurred_at=at or now,
        recorded_at=now,
        correlation_id=f"story-{number}",
        source="service",
    )


def token(
    uid: str,
    *,
    is_valid: bool = True,
    whitelist: WhitelistPolicy = WhitelistPolicy.ALLOWED,
    group_id: str | None = None,
    party_id: str = "EMP",
    type: str = "RFID",
) -> TokenChanged:
    """A token of NL-EMP, or of another Dutch party."""
    return TokenChanged(
        uid=uid,
        type=type,
        country_code="NL",
        party_id=party_id,
        contract_id=f"NL-{party_id}-C00000001-X",
        is_valid=is_valid,
        whitelist=whitelist,
        group_id=group_id,
        last_updated=datetime.now(UTC),
    )
