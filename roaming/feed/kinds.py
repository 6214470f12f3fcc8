"""The kinds of events and which of them a subscriber wants. Pure.

A kind is ``subject.what happened``; a pattern is a kind, ``subject.*`` or ``*``.
"""

from collections.abc import Iterable, Mapping

KINDS: Mapping[str, str] = {
    "station.connected": "A station of ours opened its connection.",
    "station.disconnected": "Its connection ended; `reason` says how. It may be back in a moment.",
    "station.offline": "It has been away for a while (`offline_notice`); `since` and `reason` say more.",
    "station.online": "It is back, after it was told to be offline.",
    "station.booted": "It says what it is: make, model, firmware.",
    "station.fault": "It reported an error code at a connector; connector 0 is the station itself.",
    "station.security": "It reported something that touches its security.",
    "station.firmware": "How an update of its firmware goes.",
    "station.rejected": "It said something about a charge that nobody could read: money may hang on it.",
    "station.unknown": "A station connected that nobody has bound; it waits in the inbox. For the hub's own people.",
    "connector.status": "A connector reported its status.",
    "cdr.accepted": "A CDR is to be paid: a partner's that was checked, or one of ours that a partner took.",
    "cdr.disputed": "A dispute about a CDR was opened.",
    "cdr.credited": "A CDR was taken back, by us or by a partner.",
    "dispute.closed": "A dispute is over: CREDITED, WITHDRAWN or REFUSED.",
    "statement.closed": "A month between two parties is settled.",
    "statement.reopened": "A month that was settled is open again.",
    "invoice.issued": "An invoice or a credit note by a closed statement exists.",
    "webhook.test": "Somebody tries whether a webhook arrives. No pattern asks for it.",
}
"""What may happen, for people who choose."""


class NoSuchKind(ValueError):
    """A pattern that no event will ever fit."""


def check(patterns: Iterable[str]) -> tuple[str, ...]:
    """The patterns in order, each once. Raises ``NoSuchKind``."""
    chosen = tuple(dict.fromkeys(pattern.strip() for pattern in patterns if pattern.strip()))
    for pattern in chosen:
        if not any(fits((pattern,), kind) for kind in KINDS):
            subjects = sorted({f"{kind.partition('.')[0]}.*" for kind in KINDS})
            raise NoSuchKind(f"no event is called {pattern}: one of {', '.join([*KINDS, *subjects, '*'])}")
    return chosen


def fits(patterns: Iterable[str], kind: str) -> bool:
    """Whether one of the patterns asks for events of this kind; none at all ask for every kind.

    >>> fits(["station.*"], "station.offline"), fits(["station"], "station.offline"), fits([], "cdr.accepted")
    (True, False, True)
    """
    chosen = tuple(patterns)
    if not chosen or "*" in chosen or kind in chosen:
        return True
    return f"{kind.partition('.')[0]}.*" in chosen
