"""The check of a platform against this hub itself: nothing fails in any version, in no list of any module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from roaming.app import find_modules
from roaming.hub.conformance.probing import Prober
from roaming.hub.conformance.report import Report, Verdict
from roaming.hub.conformance.suite import Wishes, check_platform
from roaming.model.identifiers import PartyId
from roaming.model.time import SystemClock
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.client import OcpiClient
from tests.kit.database import sqlite_template, sqlite_url
from tests.kit.hub_in_process import HubInProcess
from tests.kit.hub_on_socket import HubOnSocket, hub_on_socket

__all__ = ["sqlite_template", "sqlite_url"]

POLICY = AddressPolicy.of("127.0.0.0/8", is_http_allowed=True)


async def fill(hub: HubInProcess) -> None:
    await hub.host_location("OURS")
    await hub.host_charge("DE-AAA", "C1")


@pytest.fixture(params=["2.1.1", "2.2.1", "2.3.0"])
def hub(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> Iterator[HubOnSocket]:
    settings = {"version": request.param, "offered_versions": (request.param,), "hub_party": "NL-ZZZ"}
    with hub_on_socket(sqlite_url, tmp_path, prepare=fill, is_found_there=True, **settings) as running:
        yield running


async def check(hub: HubOnSocket) -> Report:
    url = f"{hub.url}/ocpi/versions"
    async with OcpiClient(POLICY) as client:
        prober = Prober(
            client=client,
            clock=SystemClock(),
            report=Report(url=url, at=SystemClock().now()),
            key="itself",
            token=hub.hub.tokens["aaa"],
            from_party=PartyId("DE", "AAA"),
        )
        return await check_platform(prober, url, find_modules(), Wishes(), lambda _: None)


async def test_this_hub_fails_nothing_and_can_be_asked_twice(hub: HubOnSocket) -> None:
    for _ in range(2):
        report = await check(hub)
        failed = [(c.module, c.name, c.lines()) for c in report.checks if c.verdict is Verdict.FAIL]
        assert failed == []
    if report.version == "2.3.0":
        assert {"bookings", "payments"} <= {c.module for c in report.checks if c.name == "list"}
