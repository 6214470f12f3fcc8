"""What the hub's own operator tells a station of payments that go on elsewhere (OCPP 2.1)."""

from contracts.messages.asked import Operation


class ExpectPayment(Operation, frozen=True, kw_only=True):
    """Tells a station that a driver has begun to pay for one of its EVSEs, by a web page: it lets nobody else begin
    there meanwhile (OCPP 2.1)."""

    connector_id: int
    """Of its EVSE; 0: whichever."""
    seconds: int
    """After so many nothing more is to be expected of it."""
