"""Connectors of EVSEs as the one row of numbers that the contract counts them by. Pure (decision 0105).

Connector 1 of EVSE 3 is 3, connector 2 of it is 302; from EVSE 100 on all are ``EVSE x 100 + connector``. 0 is the
station.
"""

from typing import Final

LARGEST_EVSE: Final = 9999
LARGEST_CONNECTOR: Final = 99


def to_number(evse_id: int | None, connector_id: int | None = None) -> int | None:
    """The contract's number; without a connector that of the EVSE's first. ``None`` for what cannot be one.

    >>> to_number(3), to_number(3, 2), to_number(100, 1), to_number(0)
    (3, 302, 10001, 0)
    """
    if evse_id is None:
        return None
    if evse_id == 0:
        return 0
    connector = connector_id or 1
    if not (0 < evse_id <= LARGEST_EVSE and 0 < connector <= LARGEST_CONNECTOR):
        return None
    return evse_id if connector == 1 and evse_id < 100 else evse_id * 100 + connector


def from_number(number: int) -> tuple[int, int]:
    """EVSE and connector; (0, 0) for the station.

    >>> from_number(3), from_number(302), from_number(10001)
    ((3, 1), (3, 2), (100, 1))
    """
    if number == 0:
        return 0, 0
    return (number, 1) if number < 100 else divmod(number, 100)
