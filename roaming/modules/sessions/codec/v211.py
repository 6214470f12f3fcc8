"""Sessions in OCPI 2.1.1: auth_id instead of a token, a whole Location instead of ids, cost as a bare number."""

from collections.abc import Mapping
from typing import Any

from roaming.model.session import Session
from roaming.model.version import Version
from roaming.modules.sessions.codec import v221, v230
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.location import LOCATION_211
from roaming.ocpi.forms.money import PRICE_211
from roaming.ocpi.forms.period import AUTH_METHOD_211, CHARGING_PERIOD_211
from roaming.ocpi.forms.quoted_location import read_ids, read_place, with_only, write_location
from roaming.ocpi.forms.token import AUTH_ID
from roaming.ocpi.rules import FromContext, Given, Joint, one
from roaming.ocpi.translation import DecodeError, EncodeError, Reading, Writing


def _write_place(session: Session, writing: Writing, prefix: str) -> Mapping[str, Any]:
    """2.1.1 quotes the whole Location: a Session at one that is not known is refused; an EVSE that it does not have is
    lost."""
    location = writing.context.location
    if location is None:
        raise EncodeError(f"{prefix}location_id", "2.1.1 quotes the whole location, needs context.location")
    quoted = with_only(location, session.evse_uid, session.connector_id)
    body, inner = write_location(quoted, writing)
    if not body.get("evses"):
        why = inner.losses[0].reason if quoted.evses and inner.losses else "the location does not have it"
        for name in ("evse_uid", "connector_id"):
            writing.lose(prefix + name, why)
    return {"location": body}


def _read_place(fields: Mapping[str, Any], reading: Reading, prefix: str) -> Mapping[str, Any]:
    if "location" not in fields:
        raise DecodeError(f"{prefix}location", "required")
    place = read_place(fields["location"], reading, prefix)
    location_id, evse_uid, connector_id = read_ids(place, reading, prefix)
    return {"location_id": location_id, "evse_uid": evse_uid, "connector_id": connector_id}


SESSION = (
    v221.SESSION.replace(
        Given("country_code", FromContext("country_code")),
        Given("party_id", FromContext("party_id")),
        AUTH_ID,
        Joint(
            ("location",),
            ("location_id", "evse_uid", "connector_id"),
            _write_place,
            _read_place,
            (one("location", LOCATION_211),),
        ),
    )
    .rename(start_date_time="start_datetime", end_date_time="end_datetime")
    .retype(
        auth_method=AUTH_METHOD_211,
        charging_periods=CHARGING_PERIOD_211,
        total_cost=PRICE_211,
        status=v230.SESSION_STATUS.lacking(RESERVATION="PENDING"),
    )
    .without("authorization_reference", because="2.1.1 does not have it")
)

CODEC = Codec(Version.V2_1_1, SESSION)
