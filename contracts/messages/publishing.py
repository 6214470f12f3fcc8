"""What the hub's own operator asks of a local controller: to keep firmware ready for the stations behind it (2.x)."""

from contracts.messages.asked import Operation


class PublishFirmware(Operation, frozen=True, kw_only=True):
    """Makes the controller fetch firmware and offer it. How it goes, and where stations then find it, follows as
    ``StationReported`` (PublishFirmwareStatusNotification)."""

    request_id: int
    url: str
    """Holds a secret: never to be logged."""
    checksum: str = ""
    """MD5 of the file, 32 hexadecimal digits. It names the firmware from then on. Empty only on the way to the hub,
    for a file that it has."""
    retries: int | None = None
    retry_interval: int | None = None
    """Seconds."""


class UnpublishFirmware(Operation, frozen=True, kw_only=True):
    """Has it offered no more."""

    checksum: str
    """As it was published."""
