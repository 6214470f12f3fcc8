"""What lies round the objects in the specification's own examples: response envelopes, versions, version details. Each
is read as a partner's and comes back as it was, where the examples lie beside the tree."""

import json
from typing import Any

import pytest

from roaming.model.version import Version
from roaming.ocpi.codec import dump_json
from roaming.ocpi.discovery import read_endpoints, read_versions, write_details, write_versions
from roaming.ocpi.envelope import failure, read_envelope, success
from roaming.ocpi.errors import OcpiError
from tests.roaming.ocpi.codecs import codec_of
from tests.roaming.ocpi.test_codec_examples import CONTEXT, EXAMPLES, ROUND_THE_OBJECTS, needs_examples

pytestmark = needs_examples

DETAILS = "transport/transport_and_format_version_details_example.json"
TOKENS = "transport/transport_and_format_get_token_list_example.json"


def of(*names: str) -> list[Any]:
    """Version and file of each example of these objects."""
    found = []
    for version in Version:
        manifest = EXAMPLES / version / "MANIFEST.tsv"
        for line in manifest.read_text().splitlines()[1:] if manifest.is_file() else ():
            file, name, complete, parses, *_rest = line.split("\t")
            if name in names:
                assert (complete, parses) == ("full", "yes")
                found.append(pytest.param(version, file, id=f"{version}/{file}"))
    return found


def in_envelopes(file: str) -> list[Any]:
    """The envelopes around one kind of object."""
    return [entry for entry in of("ResponseEnvelope") if file in str(entry.id)]


def test_none_is_left_out() -> None:
    assert len(of(*ROUND_THE_OBJECTS)) == 15


@pytest.mark.parametrize(("version", "file"), of("ResponseEnvelope"))
def test_an_envelope_comes_back_as_it_was(version: Version, file: str) -> None:
    text = (EXAMPLES / version / file).read_bytes()
    is_success = "error" not in file
    read = read_envelope(200, text)
    assert read.findings == ()
    assert read.timestamp is not None
    if is_success:
        written = success(dump_json(read.data), read.timestamp)
    else:
        error = OcpiError(read.status_message or "", status_code=read.status_code)
        written = failure(error, read.timestamp, version=version)
    assert json.loads(written) == json.loads(text)


@pytest.mark.parametrize(("version", "file"), in_envelopes(TOKENS))
def test_the_tokens_in_one_come_back_as_they_were(version: Version, file: str) -> None:
    data = json.loads((EXAMPLES / version / file).read_bytes())["data"]
    codec = codec_of("Token", version)
    tokens = [codec.decode(body, context=CONTEXT) for body in data]
    assert len(tokens) == 3
    assert [token.findings for token in tokens] == [()] * 3
    assert [codec.encode(token.value).body for token in tokens] == data


@pytest.mark.parametrize(("version", "file"), of("Version"))
def test_the_versions_come_back_as_they_were(version: Version, file: str) -> None:
    body = json.loads((EXAMPLES / version / file).read_bytes())
    offered = read_versions(body)
    assert offered is not None
    assert version == Version.V2_3_0 or version in offered, "that of 2.3.0 was not brought up to date"
    assert write_versions(offered) == body


@pytest.mark.parametrize(("version", "file"), [*of("VersionDetails"), *in_envelopes(DETAILS)])
def test_version_details_come_back_as_they_were(version: Version, file: str) -> None:
    body = json.loads((EXAMPLES / version / file).read_bytes())
    details = body.get("data", body)
    endpoints = read_endpoints(details, version)
    sides = 2 if version == Version.V2_1_1 else 1
    assert [endpoint.module for endpoint in endpoints] == ["credentials"] * sides + ["locations"] * sides
    assert write_details(details["version"], version, endpoints) == details
