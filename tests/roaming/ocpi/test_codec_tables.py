"""The tables against the canonical objects and, where it lies beside the tree, against the catalogue of the
specification's field tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from roaming.model.place import GeoLocation
from roaming.model.session import ChargingPreferencesResponse
from roaming.model.version import Version
from roaming.modules.commands.codec.v211 import NumericId
from roaming.modules.payments.codec.v230 import EitherPrice
from roaming.ocpi.fields import Form
from roaming.ocpi.forms import location as location_forms
from roaming.ocpi.forms.location import FirstOf, LocationType, PostalCode
from roaming.ocpi.forms.money import BareNumber
from roaming.ocpi.forms.place import GEO_LOCATION_230
from roaming.ocpi.kinds import (
    Choice,
    ClockTime,
    Degrees,
    Flag,
    Id,
    Kind,
    LocalDate,
    Number,
    Secret,
    Text,
    Timestamp,
    Url,
    Whole,
)
from roaming.ocpi.rules import Field, Ignored, Joint, ListOf, maybe, one
from tests.roaming.ocpi.codecs import CODECS

CATALOGUE = Path(__file__).parents[4] / "shared" / "ocpi" / "catalogue"


def forms_within(form: Form[Any]) -> Iterator[Form[Any]]:
    """The form and those that its fields hold."""
    yield form
    for rule in form.rules:
        kind = rule.kind if isinstance(rule, Field) else None
        inner = kind.kind if isinstance(kind, ListOf) else kind
        if isinstance(inner, Form):
            yield from forms_within(inner)


def forms_of(version: Version) -> dict[str, Form[Any]]:
    return {
        form.of.__name__: form
        for key, codec in CODECS.items()
        if key[2] == version
        for form in forms_within(codec.form)
    }


def item_kind(field: Field) -> Kind:
    return field.kind.kind if isinstance(field.kind, ListOf) else field.kind


@pytest.mark.parametrize(("name", "form"), sorted(forms_of(Version.V2_3_0).items()), ids=lambda value: str(value)[:30])
def test_2_3_0_is_the_canonical_shape(name: str, form: Form[Any]) -> None:
    hints = get_type_hints(form.of)
    required = {field.name for field in msgspec.structs.fields(form.of) if field.required}
    for rule in form.rules:
        assert isinstance(rule, Field), f"{name}: 2.3.0 says every attribute by itself"
        assert rule.wire == rule.attribute
        hint = hints[rule.attribute]
        options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        assert rule.is_list == any(get_origin(option) is tuple for option in options)
        assert rule.is_required == (rule.attribute in required)


SINCE_2_2 = {
    "ActiveChargingProfile",
    "ActiveChargingProfileResult",
    "CancelReservation",
    "ChargingPreferences",
    "ChargingProfile",
    "ChargingProfileResponse",
    "ChargingProfileResult",
    "ClearProfileResult",
    "ClientInfo",
    "SetChargingProfile",
}


SINCE_2_3 = {
    "Booking",
    "BookingLocation",
    "BookingRequest",
    "Calendar",
    "FinancialAdviceConfirmation",
    "InvoiceReconciliationRecord",
    "Terminal",
}


def test_every_object_is_said_in_every_version_that_has_it() -> None:
    names = {name for _module, name, _version in CODECS}
    assert names - set(forms_of(Version.V2_1_1)) == SINCE_2_2 | SINCE_2_3
    assert names - set(forms_of(Version.V2_2_1)) == SINCE_2_3
    assert names <= set(forms_of(Version.V2_3_0))


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ((one("latitude", Text(10)),), "no rule for longitude"),
        ((*GEO_LOCATION_230.rules, one("altitude", Text(10))), "altitude is no attribute"),
        ((*GEO_LOCATION_230.rules, one("latitude", Text(10))), "two rules for latitude"),
        ((one("latitude", Text(10)), maybe("longitude", Text(10))), "longitude has no value when the field is absent"),
    ],
)
def test_a_table_with_gaps_does_not_load(rules: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        Form(GeoLocation, *rules)


def test_a_version_cannot_leave_out_what_the_object_needs() -> None:
    with pytest.raises(TypeError, match="latitude cannot be left out"):
        GEO_LOCATION_230.without("latitude", because="no reason")
    with pytest.raises(TypeError, match="no field for 'altitude'"):
        GEO_LOCATION_230.rename(altitude="height")


def test_older_versions_are_differences_of_the_newest() -> None:
    evse = location_forms.EVSE_230
    older = location_forms.EVSE_221
    same = [rule for rule in older.rules if rule in evse.rules]
    assert len(same) == len(evse.rules) - len(
        {"connectors", "parking_restrictions", "parking", "accepted_service_providers"}
    )


needs_catalogue = pytest.mark.skipif(not CATALOGUE.is_dir(), reason="the catalogue of field tables is not here")

# Objects of modules without a codec of this kind.
ELSEWHERE = {"Endpoint", "ResponseEnvelope", "Version", "VersionDetails"}


def in_catalogue(version: Version) -> dict[str, dict[str, dict[str, str]]]:
    """Fields by object, those that payments and bookings bring or add among them."""
    catalogue = json.loads((CATALOGUE / f"{version}.json").read_text())
    found: dict[str, dict[str, dict[str, str]]] = {}
    for part in (catalogue, *catalogue.get("optional", {}).values()):
        for name, entry in part["objects"].items():
            fields = found.setdefault(name, {})
            fields |= {field["name"]: field for field in (*entry.get("fields", ()), *entry.get("adds", ()))}
    return {name: fields for name, fields in found.items() if name not in ELSEWHERE}


def enums_in_catalogue(version: Version) -> dict[str, dict[str, Any]]:
    """The same of enums."""
    catalogue = json.loads((CATALOGUE / f"{version}.json").read_text())
    found: dict[str, dict[str, Any]] = {}
    for part in (catalogue, *catalogue.get("optional", {}).values()):
        for name, entry in part.get("enums", {}).items():
            enum = found.setdefault(name, {"open": entry.get("open", False), "values": []})
            enum["values"] = [*enum["values"], *entry.get("values", ()), *entry.get("adds", ())]
    return found


@needs_catalogue
@pytest.mark.parametrize("version", list(Version))
def test_the_tables_have_the_fields_of_the_specification(version: Version) -> None:
    forms = forms_of(version)
    for name, fields in in_catalogue(version).items():
        wires = {wire for rule in forms[name].rules for wire in rule.wires}
        assert wires == set(fields), name


@needs_catalogue
@pytest.mark.parametrize("version", list(Version))
def test_cardinalities_and_types_are_those_of_the_specification(version: Version) -> None:
    forms = forms_of(version)
    differences = []
    for name, fields in in_catalogue(version).items():
        for rule in forms[name].rules:
            if not isinstance(rule, Field):
                assert isinstance(rule, (Joint, Ignored)) or not rule.wires
                continue
            said = fields[rule.wire]
            cardinality = {(True, False): "1", (False, False): "?", (False, True): "*", (True, True): "+"}
            ours = cardinality[rule.is_required, rule.is_list]
            if said["card"] != ours:
                differences.append(f"{name}.{rule.wire} {said['card']} {ours}")
            if not is_of_type(item_kind(rule), said["type"]):
                differences.append(f"{name}.{rule.wire} {said['type']} {item_kind(rule)}"[:150])
    assert differences == (LONGER if version == Version.V2_3_0 else [])


LONGER = [
    "InvoiceReconciliationRecord.cdrs CiString(36) Id(limit=39)",
    "Terminal.address CiString(45) Id(limit=255)",
    "Terminal.state CiString(20) Id(limit=45)",
]
"""The id of a credit CDR has 39 characters, and is invoiced like any other; a terminal is where a location is."""
SPELLED = {"BookingTokens": "BookingToken", "TimeSlot": "Timeslot"}
"""Names that the tables of the specification spell in two ways."""

NARROWER: dict[str, tuple[type[Any], ...]] = {
    "string": (ClockTime, Degrees, LocalDate, Secret, PostalCode, FirstOf),
    "int": (Whole, NumericId),
    "number": (Number, BareNumber),
    "DateTime": (Timestamp,),
    "URL": (Url,),
    "boolean": (Flag,),
    "Price": (Form, EitherPrice),
    "LocationType": (LocationType,),
}
"""Kinds that stand for a type of the catalogue, beyond text of its length and objects of its name."""


def is_of_type(kind: Kind, name: str) -> bool:
    base, _, length = name.rstrip(")").partition("(")
    if isinstance(kind, (Text, Id)):
        return base in ("CiString", "string") and kind.limit == int(length or 255)
    if isinstance(kind, Form) and kind.of.__name__ == SPELLED.get(name, name):
        return True
    return isinstance(kind, (Choice, *NARROWER.get(base, ())))


@needs_catalogue
@pytest.mark.parametrize("version", list(Version))
def test_choices_have_the_values_of_the_specification(version: Version) -> None:
    enums = enums_in_catalogue(version)
    forms = forms_of(version)
    differences = []
    for name, fields in in_catalogue(version).items():
        for rule in forms[name].rules:
            kind = item_kind(rule) if isinstance(rule, Field) else None
            if isinstance(kind, Choice):
                enum = enums[fields[rule.wires[0]]["type"]]
                if set(enum["values"]) - kind.spellings.keys() != kind.words:
                    differences.append(f"{name}.{rule.wires[0]} {sorted(set(enum['values']) ^ kind.words)}")
                if version == Version.V2_3_0 and enum["open"] != kind.is_open:
                    differences.append(f"{name}.{rule.wires[0]} open: {enum['open']}")
    assert differences == []


@needs_catalogue
@pytest.mark.parametrize("version", [Version.V2_2_1, Version.V2_3_0])
def test_what_is_answered_as_a_bare_word_has_the_words_of_the_specification(version: Version) -> None:
    enums = json.loads((CATALOGUE / f"{version}.json").read_text())["enums"]
    assert set(enums["ChargingPreferencesResponse"]["values"]) == set(ChargingPreferencesResponse)
