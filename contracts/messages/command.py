"""Commands to stations and their answers. Subject of the command: the owning adapter instance."""

from datetime import datetime

from contracts.messages.authorization import TokenOwner
from contracts.messages.charging_profile import ChargingSchedule
from contracts.messages.message import Message
from contracts.vocabulary import ChargingRateUnit, CommandName, CommandOutcome


class CommandRequested(Message, frozen=True, kw_only=True):
    """The service wants something of a station. Carried out once per ``command_id``, never after ``deadline``."""

    command_id: str
    instance: str
    """The adapter instance that owned the station's connection when this was written."""
    epoch: int
    network: str
    station_id: str
    name: CommandName
    deadline: datetime
    connector_id: int | None = None
    token_uid: str | None = None
    group_id: str | None = None
    transaction_id: str | None = None
    reservation_id: str | None = None
    """Ours, unique per station; the adapter maps it to what the protocol allows."""
    reservation_expires_at: datetime | None = None
    authorization_reference: str | None = None
    token_owner: TokenOwner | None = None
    """Whose token ``token_uid`` is."""
    schedule: ChargingSchedule | None = None
    """To be set (SET_CHARGING_PROFILE)."""
    schedule_duration: int | None = None
    """Seconds that GET_COMPOSITE_SCHEDULE asks about."""
    schedule_unit: ChargingRateUnit | None = None
    """In which it wants to be told; absent: as the station likes."""


class CommandAnswered(Message, frozen=True, kw_only=True):
    """What came of a command. Subject: ``network/station_id``, in order with the station's other facts."""

    command_id: str
    network: str
    station_id: str
    name: CommandName
    outcome: CommandOutcome
    detail: str | None = None
    """The station's own word, or what went wrong."""
    schedule: ChargingSchedule | None = None
    """What holds, as an answer to GET_COMPOSITE_SCHEDULE; its ``starts_at`` is given."""
