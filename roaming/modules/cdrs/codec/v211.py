"""CDRs in OCPI 2.1.1: auth_id instead of a token, a whole Location, bare numbers, no credits.

The Location is made up from ``cdr_location``; what 2.1.1 wants beyond it comes from the stored Location of the context,
or is a stand-in and declared.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from roaming.model.cdr import CDR, CdrLocation
from roaming.model.identifiers import fold
from roaming.model.location import EVSE, Connector, Location, Status
from roaming.model.version import Version
from roaming.modules.cdrs.codec import v221
from roaming.modules.cdrs.codec.v230 import NOT_AVAILABLE
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.location import CONNECTOR_211, EVSE_211, LOCATION_211
from roaming.ocpi.forms.money import PRICE_211
from roaming.ocpi.forms.period import AUTH_METHOD_211, CDR_PERIOD_211
from roaming.ocpi.forms.quoted_location import QuotedPlace, read_ids, read_place, with_only, write_location
from roaming.ocpi.forms.tariff import TARIFF_211
from roaming.ocpi.forms.token import AUTH_ID
from roaming.ocpi.kinds import Id
from roaming.ocpi.rules import FromContext, Given, Joint, one
from roaming.ocpi.translation import DecodeError, EncodeError, FindingCode, Reading, Writing

_LOCATION_STAND_INS = {"type": "UNKNOWN", "last_updated": "that of the CDR"}
_EVSE_STAND_INS = {
    "evses[0].status": "UNKNOWN",
    "evses[0].connectors[0].voltage": "0",
    "evses[0].connectors[0].amperage": "0",
    "evses[0].connectors[0].last_updated": "that of the CDR",
    "evses[0].last_updated": "that of the CDR",
}
_PLUG = ("evse_uid", "evse_id", "connector_id", "connector_standard", "connector_format", "connector_power_type")

_OWN_NAMES = {
    "evses[0]": "evse_uid",
    "evses[0].uid": "evse_uid",
    "evses[0].evse_id": "evse_id",
    "evses[0].connectors[0].id": "connector_id",
    "evses[0].connectors[0].power_type": "connector_power_type",
}


def _sayable(cdr: CDR, writing: Writing, prefix: str) -> CDR:
    """A credit CDR is refused: 2.1.1 would read it as a charge. The owners of other parties' tariffs are lost."""
    if cdr.credit:
        raise EncodeError(f"{prefix}credit", "2.1.1 has no credit CDRs: settle it with the partner by other means")
    for index, tariff in enumerate(cdr.tariffs):
        for name in ("country_code", "party_id"):
            if getattr(tariff, name) != getattr(cdr, name):
                writing.lose(f"{prefix}tariffs[{index}].{name}", "2.1.1 tariffs are of the CDR's own party")
    return cdr


def _write_place(cdr: CDR, writing: Writing, prefix: str) -> Mapping[str, Any]:
    """2.1.1 quotes the whole Location: of one that is not known, what 2.1.1 requires is made up and declared."""
    place, stored = cdr.cdr_location, writing.context.location
    quoted = None
    if stored is not None and fold(stored.id) == fold(place.id):
        quoted = with_only(stored, place.evse_uid, place.connector_id)
    for path, extra in (("", place.extra), (".coordinates", place.coordinates.extra)):
        if extra:
            writing.lose(f"{prefix}cdr_location{path}.extra", "2.1.1 has another object here")
    try:
        body, inner = write_location(_as_location(cdr, quoted), writing)
    except EncodeError as error:
        raise EncodeError(f"{prefix}cdr_location.{error.path}", error.reason) from None
    if quoted is None:
        del body["time_zone"]
    for loss in inner.losses:
        own_name = _OWN_NAMES.get(loss.path, loss.path)
        if own_name.partition(".")[0] in CdrLocation.__struct_fields__:
            writing.lose(f"{prefix}cdr_location.{own_name}", loss.reason)
    if not body.get("evses"):
        for name in _PLUG:
            writing.lose(f"{prefix}cdr_location.{name}", "2.1.1 cannot say this EVSE")
    stand_ins = dict(_LOCATION_STAND_INS) if quoted is None else {}
    if body.get("evses") and (quoted is None or not quoted.evses):
        stand_ins |= _EVSE_STAND_INS
    for wire, value in stand_ins.items():
        writing.lose(f"{prefix}location.{wire}", f"required in 2.1.1 and not known: {value}")
    return {"location": body}


def _as_location(cdr: CDR, quoted: Location | None) -> Location:
    """The place of a CDR as a Location, completed from the stored one or by stand-ins."""
    place = cdr.cdr_location
    evse = quoted.evses[0] if quoted is not None and quoted.evses else None
    connector = Connector(
        id=place.connector_id,
        standard=place.connector_standard,
        format=place.connector_format,
        power_type=place.connector_power_type,
        max_voltage=evse.connectors[0].max_voltage if evse else 0,
        max_amperage=evse.connectors[0].max_amperage if evse else 0,
        last_updated=evse.connectors[0].last_updated if evse else cdr.last_updated,
    )
    whole = EVSE(
        uid=place.evse_uid,
        evse_id=None if place.evse_id == NOT_AVAILABLE else place.evse_id,
        status=evse.status if evse else Status.UNKNOWN.value,
        connectors=(connector,),
        last_updated=evse.last_updated if evse else cdr.last_updated,
    )
    return Location(
        country_code=cdr.country_code,
        party_id=cdr.party_id,
        id=place.id,
        publish=True,
        name=place.name,
        address=place.address,
        city=place.city,
        postal_code=place.postal_code,
        state=place.state,
        country=place.country,
        coordinates=msgspec.structs.replace(place.coordinates, extra=None),
        parking_type=quoted.parking_type if quoted else None,
        evses=() if place.evse_uid == NOT_AVAILABLE else (whole,),
        time_zone=quoted.time_zone if quoted else "",
        last_updated=quoted.last_updated if quoted else cdr.last_updated,
    )


def _read_place(fields: Mapping[str, Any], reading: Reading, prefix: str) -> Mapping[str, Any]:
    if "location" not in fields:
        raise DecodeError(f"{prefix}location", "required")
    place = read_place(fields["location"], reading, prefix)
    location_id, evse_uid, connector_id = read_ids(place, reading, prefix)
    path = f"{prefix}location."
    values = {
        name: _read_part(LOCATION_211, name, place.location, reading, path)
        for name in ("name", "address", "city", "postal_code", "country", "coordinates")
    }
    if place.evse is not None and place.connector is not None:
        values |= _read_plug(place, place.evse, place.connector, reading)
    else:
        values |= _known_plug(reading, evse_uid, connector_id, f"{prefix}location.evses")
    return {"cdr_location": CdrLocation(id=location_id, evse_uid=evse_uid, connector_id=connector_id, **values)}


def _read_part(form: Form[Any], name: str, body: Mapping[str, Any], reading: Reading, prefix: str) -> Any:
    """One attribute of the quoted object, by the line of its own table."""
    field = form.field(name)
    item = body.get(field.wire)
    if item is not None:
        return field.kind.decode(item, reading, prefix, field.wire)
    if name in ("name", "postal_code"):
        return None
    raise DecodeError(prefix + field.wire, "required")


def _read_plug(
    place: QuotedPlace, evse: Mapping[str, Any], connector: Mapping[str, Any], reading: Reading
) -> dict[str, str]:
    evse_id = evse.get("evse_id")
    if evse_id:
        evse_id = EVSE_211.field("evse_id").kind.decode(evse_id, reading, f"{place.evse_path}.", "evse_id")
    else:
        reading.find(f"{place.evse_path}.evse_id", FindingCode.MISSING, f"required in later CDRs: {NOT_AVAILABLE}")
    prefix = f"{place.connector_path}."
    return {
        "evse_id": evse_id or NOT_AVAILABLE,
        "connector_standard": _read_part(CONNECTOR_211, "standard", connector, reading, prefix),
        "connector_format": _read_part(CONNECTOR_211, "format", connector, reading, prefix),
        "connector_power_type": _read_part(CONNECTOR_211, "power_type", connector, reading, prefix),
    }


def _known_plug(reading: Reading, evse_uid: str, connector_id: str, path: str) -> dict[str, str]:
    """What the body does not say of the EVSE, from the stored Location."""
    stored = reading.context.location
    known = with_only(stored, evse_uid, connector_id).evses if stored is not None else ()
    if not known:
        raise DecodeError(path, f"names no EVSE, or several: needs context.location with EVSE {evse_uid}")
    connector = known[0].connectors[0]
    return {
        "evse_id": known[0].evse_id or NOT_AVAILABLE,
        "connector_standard": connector.standard,
        "connector_format": connector.format,
        "connector_power_type": connector.power_type,
    }


CDR_FORM = (
    v221.CDR_FORM.replace(
        Given("country_code", FromContext("country_code")),
        Given("party_id", FromContext("party_id")),
        AUTH_ID,
        Joint(("location",), ("cdr_location",), _write_place, _read_place, (one("location", LOCATION_211),)),
    )
    .rename(end_date_time="stop_date_time")
    .retype(
        auth_method=AUTH_METHOD_211,
        tariffs=TARIFF_211,
        charging_periods=CDR_PERIOD_211,
        total_cost=PRICE_211,
        id=Id(36),
    )
    .without(
        "session_id",
        "authorization_reference",
        "signed_data",
        "total_fixed_cost",
        "total_energy_cost",
        "total_time_cost",
        "total_parking_cost",
        "total_reservation_cost",
        "invoice_reference_id",
        "credit",
        "credit_reference_id",
        "home_charging_compensation",
        because="2.1.1 CDRs do not have it",
    )
    .prepared(_sayable)
)

CODEC = Codec(Version.V2_1_1, CDR_FORM)
