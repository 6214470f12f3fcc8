"""Versions and version details of partners that write what they like."""

from typing import Any

import pytest

from roaming.model.version import Version
from roaming.ocpi.discovery import read_endpoints, read_versions, write_details

CDRS = {"identifier": "cdrs", "role": "RECEIVER", "url": "https://a.example/cdrs"}


@pytest.mark.parametrize("data", [None, {}, "versions", 7])
def test_versions_must_be_a_list(data: Any) -> None:
    assert read_versions(data) is None


def test_versions_without_an_address_are_left_out() -> None:
    entries = [None, "2.2.1", {"version": "2.2.1"}, {"version": "2.2.1", "url": 7}, {"version": "2.2.1", "url": ""}]
    assert read_versions(entries) == {}


@pytest.mark.parametrize("data", [None, [], "details", {}, {"endpoints": None}, {"endpoints": 7}, {"endpoints": "x"}])
def test_details_without_endpoints_have_none(data: Any) -> None:
    assert read_endpoints(data, Version.V2_2_1) == ()


@pytest.mark.parametrize(
    "entry",
    ["cdrs", None, {}, CDRS | {"url": None}, CDRS | {"identifier": 7}, CDRS | {"role": "BOTH"}],
)
def test_an_endpoint_that_makes_no_sense_is_left_out_alone(entry: Any) -> None:
    endpoints = read_endpoints({"endpoints": [entry, CDRS]}, Version.V2_2_1)
    assert [(endpoint.module, endpoint.role) for endpoint in endpoints] == [("cdrs", "RECEIVER")]


def test_an_endpoint_listed_twice_is_written_once() -> None:
    endpoints = read_endpoints({"endpoints": [CDRS, CDRS]}, Version.V2_2_1)
    assert write_details("2.2.1", Version.V2_2_1, endpoints)["endpoints"] == [CDRS]
