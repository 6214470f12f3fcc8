"""The specification's own examples, where they lie beside the tree: each comes back as it was, but for what is declared
here; departures from the field tables are findings."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from roaming.model.location import Location
from roaming.model.token import CdrToken
from roaming.model.version import Version
from roaming.ocpi.codec import Codec, DecodeContext, DecodeError, EncodeContext, FindingCode, parse_json
from roaming.ocpi.forms.location import HOURS
from roaming.ocpi.forms.place import ENERGY_MIX_211, ENERGY_MIX_230
from roaming.ocpi.forms.text import DISPLAY_TEXT
from tests.roaming.ocpi.codecs import CODECS, codec_of

EXAMPLES = Path(__file__).parents[4] / "shared" / "ocpi" / "examples"

needs_examples = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the specification's examples are not here")

RECEIVED = datetime(2026, 1, 31, 12, tzinfo=UTC)
CONTEXT = DecodeContext(
    country_code="BE",
    party_id="BEC",
    received_at=RECEIVED,
    cdr_token=CdrToken(country_code="DE", party_id="TNM", uid="012345678", type="RFID", contract_id="DE8ACC12E46L89"),
    role="CPO",
)

ROUND_THE_OBJECTS = {"ResponseEnvelope", "Version", "VersionDetails"}
"""Not read by codecs: ``test_envelope_examples.py``."""

SMALL = {"DisplayText": DISPLAY_TEXT, "Hours": HOURS, "EnergyMix": ENERGY_MIX_230}

# What the canonical model does not keep of an example, or adds to it: path to what comes back instead.
STAND_IN = "2015-06-29T22:01:13Z"
PRICE_OF_2_3_0 = {
    "total_costs.excl_vat": None,
    "total_costs.incl_vat": None,
    "total_costs.before_taxes": Decimal("4.00"),
    "total_costs.taxes[0].name": "VAT",
    "total_costs.taxes[0].amount": Decimal("0.40"),
}
DIFFERENCES: dict[str, dict[str, Any]] = {
    "2.1.1/cdrs/cdr_example.json": {
        "location.type": "UNKNOWN",
        "location.last_updated": STAND_IN,
        "location.evses[0].status": "UNKNOWN",
        "location.evses[0].last_updated": STAND_IN,
        "location.evses[0].connectors[0].voltage": 0,
        "location.evses[0].connectors[0].amperage": 0,
        "location.evses[0].connectors[0].tariff_id": None,
        "location.evses[0].connectors[0].last_updated": STAND_IN,
        "tariffs[0].elements[0].price_components[0].price": 2,
    },
    "2.1.1/locations/location_example.json": {
        "evses[0].status_schedule": None,
        "time_zone": "Europe/Brussels",
    },
    "2.1.1/sessions/session_example_1_simple_start.json": {"location.time_zone": "Europe/Brussels"},
    "2.1.1/tariffs/tariff_put_example.json": {"last_updated": "2026-01-31T12:00:00Z"},
    "2.2.1/tariffs/tariff_put_example.json": {"last_updated": "2026-01-31T12:00:00Z"},
    "2.3.0/tariffs/tariff_put_example.json": {"last_updated": "2026-01-31T12:00:00Z"},
    "2.3.0/cdrs/cdr_example.json": {"tariffs[0].tax_included": "NO"},
    "2.3.0/payments/payment_financial_advice_confirmation_create.json": PRICE_OF_2_3_0,
    "2.3.0/payments/payment_financial_advice_confirmation_example_success.json": PRICE_OF_2_3_0,
    "2.3.0/payments/payment_terminal_create_minimal.json": {"last_updated": "2026-01-31T12:00:00Z"},
    "2.3.0/payments/payment_terminal_example_newly_created.json": {"location_ids": None},
}

FINDINGS = {
    "2.3.0/payments/payment_financial_advice_confirmation_create.json": {
        ("total_costs", FindingCode.REPLACED_VALUE),
    },
    "2.3.0/payments/payment_financial_advice_confirmation_example_success.json": {
        ("total_costs", FindingCode.REPLACED_VALUE),
    },
    "2.3.0/payments/payment_terminal_create_minimal.json": {("last_updated", FindingCode.MISSING)},
    "2.1.1/cdrs/cdr_example.json": {("tariffs[0].elements[0].price_components[0].price", FindingCode.NUMBER_AS_TEXT)},
    "2.1.1/locations/location_example.json": {("time_zone", FindingCode.MISSING)},
    "2.1.1/tariffs/tariff_put_example.json": {("last_updated", FindingCode.MISSING)},
    "2.2.1/tariffs/tariff_put_example.json": {("last_updated", FindingCode.MISSING)},
    "2.3.0/tariffs/tariff_put_example.json": {("last_updated", FindingCode.MISSING)},
    "2.3.0/cdrs/cdr_example.json": {("tariffs[0].tax_included", FindingCode.MISSING)},
}


REFUSED = {
    "2.3.0/bookings/booking_example.json": "party_id: longer than 3 characters",
    "2.3.0/bookings/booking_location_patch_example_calendar.json": "available_timeslots[0].start_date_time",
    "2.3.0/bookings/booking_location_patch_example_terms.json": "booking_terms.supported_access_methods",
}
"""Examples that contradict their own field tables, with names longer than may be and without what is required."""


def examples(completeness: str) -> list[Any]:
    """Version, file and object of each example that parses; the fragments of 2.1.1 are members of an object."""
    found = []
    for version in Version:
        manifest = EXAMPLES / version / "MANIFEST.tsv"
        for line in manifest.read_text().splitlines()[1:] if manifest.is_file() else ():
            file, name, complete, parses, *_rest = line.split("\t")
            is_of_2_1_1 = version == Version.V2_1_1 and file.endswith(".fragment.txt")
            is_readable = parses == "yes" or is_of_2_1_1
            if name not in ROUND_THE_OBJECTS and complete == completeness and is_readable:
                found.append(pytest.param(version, file, name, id=f"{version}/{file}"))
    return found


def without_refused(completeness: str) -> list[Any]:
    """Those that can be read."""
    return [entry for entry in examples(completeness) if entry.id not in REFUSED]


def codec_for(name: str, version: Version) -> Codec[Any]:
    if name in SMALL:
        return Codec(version, ENERGY_MIX_211 if (name, version) == ("EnergyMix", Version.V2_1_1) else SMALL[name])
    return codec_of(name, version)


def quoted_location(body: dict[str, Any], version: Version) -> Location | None:
    """The Location that a 2.1.1 Session quotes, as if it were stored here."""
    if version != Version.V2_1_1 or "kwh" not in body:
        return None
    location: Location = CODECS["locations", "Location", version].decode(body["location"], context=CONTEXT).value
    return location


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves by path. Empty lists count as such: leaving one out is a difference."""
    if isinstance(value, dict):
        return {key: leaf for name, item in value.items() for key, leaf in flat(item, f"{path}.{name}").items()}
    if isinstance(value, list) and value:
        return {key: leaf for index, item in enumerate(value) for key, leaf in flat(item, f"{path}[{index}]").items()}
    return {path.lstrip("."): value}


@needs_examples
@pytest.mark.parametrize("path", REFUSED)
def test_an_example_that_contradicts_its_table_is_refused_by_name(path: str) -> None:
    version, _, file = path.partition("/")
    (name,) = [entry.values[2] for kind in ("full", "partial") for entry in examples(kind) if entry.values[1] == file]
    codec, body = codec_for(str(name), Version(version)), parse_json((EXAMPLES / path).read_bytes())
    is_partial = "patch" in file
    with pytest.raises(DecodeError) as caught:
        codec.decode_patch(body) if is_partial else codec.decode(body, context=CONTEXT)
    assert str(caught.value).startswith(REFUSED[path])


@needs_examples
@pytest.mark.parametrize(("version", "file", "name"), without_refused("full"))
def test_a_full_example_comes_back_as_it_was(version: Version, file: str, name: str) -> None:
    codec = codec_for(name, version)
    text = (EXAMPLES / version / file).read_bytes()
    body = parse_json(b"{" + text + b"}" if file.endswith(".fragment.txt") else text)
    if body.keys() <= {"energy_mix", "opening_times"}:
        (body,) = body.values()
    decoded = codec.decode(body, context=CONTEXT)
    assert {(finding.path, finding.code) for finding in decoded.findings} == FINDINGS.get(f"{version}/{file}", set())
    encoded = codec.encode(decoded.value, context=EncodeContext(location=quoted_location(body, version)))
    before, after = flat(body), flat(encoded.body)
    changed = {path: after.get(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    changed |= dict.fromkeys(before.keys() - after.keys())
    assert changed == DIFFERENCES.get(f"{version}/{file}", {})


@needs_examples
@pytest.mark.parametrize(("version", "file", "name"), without_refused("partial"))
def test_a_partial_example_is_a_patch(version: Version, file: str, name: str) -> None:
    codec = codec_for(name, version)
    body = parse_json((EXAMPLES / version / file).read_bytes())
    patch = codec.decode_patch(body)
    assert patch.changes.keys()
    assert not patch.extra
    assert codec.encode_patch(patch).body == body


@needs_examples
@pytest.mark.parametrize("version", [Version.V2_2_1, Version.V2_3_0])
def test_the_example_of_client_info_comes_back_once_its_comma_is_gone(version: Version) -> None:
    """It is no JSON, and leaves out ``last_updated``, which the field table requires."""
    text = (EXAMPLES / version / "hubclientinfo" / "hubclientinfo_put_example.fragment.txt").read_text()
    body = parse_json(re.sub(r",\s*}", "}", text).encode())
    decoded = codec_of("ClientInfo", version).decode(body, context=CONTEXT)
    assert [(finding.path, finding.code) for finding in decoded.findings] == [("last_updated", FindingCode.MISSING)]
    encoded = codec_of("ClientInfo", version).encode(decoded.value)
    assert encoded.body == body | {"last_updated": "2026-01-31T12:00:00Z"}
