"""What a driver wants of a charge, and whether an EVSE can be asked for it (OCPI 2.2.1, sessions,
ChargingPreferences). Pure: knows neither where sessions are kept nor who may ask.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from roaming.model.identifiers import fold
from roaming.model.location import EVSE, Connector, Location, PowerType
from roaming.model.session import ChargingPreferences, ChargingPreferencesResponse, Session, SessionStatus
from roaming.model.token import ProfileType
from roaming.ocpi.offered import is_offered

SHIFTED = (ProfileType.CHEAP, ProfileType.GREEN)
"""Profiles that move the charge to another time: impossible without knowing how much time there is, and for what."""
PHASES = {PowerType.AC_2_PHASE: 2, PowerType.AC_2_PHASE_SPLIT: 2, PowerType.AC_3_PHASE: 3}
RUNNING = (SessionStatus.ACTIVE, SessionStatus.PENDING)


def judge(
    preferences: ChargingPreferences,
    status: str,
    connector: Connector | None,
    tariff_types: Sequence[str | None],
    *,
    now: datetime,
) -> ChargingPreferencesResponse:
    """The answer of OCPI. ``tariff_types``: of the tariffs of the connector, ``None`` for one that is valid for every
    session."""
    wanted, until, energy = preferences.profile_type, preferences.departure_time, preferences.energy_need
    if status not in RUNNING or (until is not None and until <= now):
        return ChargingPreferencesResponse.NOT_POSSIBLE
    if not is_offered(wanted, tariff_types):
        return ChargingPreferencesResponse.PROFILE_TYPE_NOT_SUPPORTED
    if wanted in SHIFTED and until is None:
        return ChargingPreferencesResponse.DEPARTURE_REQUIRED
    if wanted in SHIFTED and energy is None:
        return ChargingPreferencesResponse.ENERGY_NEED_REQUIRED
    if until is not None and energy is not None and connector is not None:
        hours = Decimal(str((until - now).total_seconds())) / 3600
        if energy * 1000 > most_power(connector) * hours:
            return ChargingPreferencesResponse.NOT_POSSIBLE
    return ChargingPreferencesResponse.ACCEPTED


def most_power(connector: Connector) -> int:
    """What a connector can give, in W. Voltage is that of one phase (OCPI 2.2.1, locations, Connector)."""
    if connector.max_electric_power is not None:
        return connector.max_electric_power
    phases = next((count for kind, count in PHASES.items() if kind == connector.power_type), 1)
    return connector.max_voltage * connector.max_amperage * phases


def place_of(session: Session, location: Location | None) -> tuple[EVSE | None, Connector | None]:
    """The EVSE and the connector of a session, as far as its location has them."""
    evses = location.evses if location is not None else ()
    evse = next((evse for evse in evses if fold(evse.uid) == fold(session.evse_uid)), None)
    connectors = evse.connectors if evse is not None else ()
    return evse, next((entry for entry in connectors if fold(entry.id) == fold(session.connector_id)), None)
