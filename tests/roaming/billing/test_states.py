"""The state of a CDR follows from deliveries, checks, disputes, credits and statements."""

from typing import Any

import pytest

from roaming.billing.states import Facts, State, state_of

OURS: dict[str, Any] = {"is_ours": True}
THEIRS: dict[str, Any] = {"is_ours": False}


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (OURS | {"is_waiting": True}, State.DRAFT),
        (OURS, State.HELD),
        (OURS | {"is_told_here": True}, State.ACKNOWLEDGED),
        (OURS | {"delivery": "PENDING"}, State.SENT),
        (OURS | {"delivery": "PENDING", "is_in_doubt": True}, State.UNKNOWN),
        (OURS | {"delivery": "DELIVERED", "is_in_doubt": True}, State.ACKNOWLEDGED),
        (OURS | {"delivery": "REFUSED"}, State.REJECTED),
        (OURS | {"delivery": "DEAD"}, State.UNKNOWN),
        (OURS | {"delivery": "DROPPED"}, State.HELD),
        (THEIRS, State.ACKNOWLEDGED),
        (THEIRS | {"outcome": "ACCEPT"}, State.ACKNOWLEDGED),
        (THEIRS | {"outcome": "HOLD"}, State.HELD),
        (THEIRS | {"outcome": "DISPUTE"}, State.HELD),
        (THEIRS | {"outcome": "DISPUTE", "is_disputed": True}, State.DISPUTED),
        (OURS | {"delivery": "DELIVERED", "is_settled": True}, State.SETTLED),
        (OURS | {"delivery": "DELIVERED", "is_settled": True, "is_disputed": True}, State.DISPUTED),
        (OURS | {"delivery": "REFUSED", "is_disputed": True, "is_credited": True}, State.CREDITED),
    ],
)
def test_state(facts: dict[str, Any], state: State) -> None:
    assert state_of(Facts(**facts)) is state
