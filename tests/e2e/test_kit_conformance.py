"""``ocpi conformance`` of the crate ocpi-kit against a hub with several pages in every list: nothing failed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from roaming.modules.tariffs import service as tariffs
from roaming.modules.tokens import service as tokens
from tests.e2e.outside.kit_conformance import conformance
from tests.kit import ocpi_bodies
from tests.kit.database import sqlite_template, sqlite_url
from tests.kit.hub_in_process import HOSTED_CPO, HOSTED_EMSP, HubInProcess, decoded
from tests.kit.hub_on_socket import HubOnSocket, hub_on_socket

__all__ = ["sqlite_template", "sqlite_url"]

pytestmark = [pytest.mark.outside, pytest.mark.timeout(120)]

COUNT = 13
"""It asks for ten at a time."""
SEEN_BY = {"aaa": {"locations", "sessions", "cdrs", "tariffs"}, "cpo": {"tokens"}}
"""What an eMSP and a CPO have objects of; the other lists are empty for them."""
MODULES = {"locations", "sessions", "cdrs", "tariffs", "tokens"}

MISREAD = {
    # OCPI 2.2.1, types, 16.5 Price: excl_vat and incl_vat; before_taxes came with 2.3.0
    "2.2.1": dict.fromkeys(("sessions", "cdrs", "tariffs"), "does not decode: missing field `before_taxes`"),
    "2.3.0": {},
}
"""Warnings that are the runner's own: it holds objects of 2.2.1 against the tables of 2.3.0. As those of 2.2.1 the same
crate finds nothing wrong with them: ``test_outside.py``."""


async def fill(hub: HubInProcess) -> None:
    """Objects of the hosted parties, each in its own second."""
    await hub.host_location("OURS")
    async with hub.services.database.work() as work:
        for number in range(COUNT):
            tariff = ocpi_bodies.tariff(HOSTED_CPO, id=f"T{number}", last_updated=f"2026-11-23T10:00:{number:02}Z")
            await tariffs.publish(work, decoded(tariffs.CODECS, tariff))
            token = ocpi_bodies.token(HOSTED_EMSP, uid=f"HOME{number}", last_updated=f"2026-11-23T10:00:{number:02}Z")
            await tokens.publish(work, decoded(tokens.CODECS, token))
    for number in range(1, COUNT):
        await hub.host_location(f"L{number}", last_updated=f"2026-11-23T10:00:{number:02}Z")
    for number in range(COUNT):
        await hub.host_charge("DE-AAA", f"C{number}")


@pytest.fixture(params=list(MISREAD))
def hub(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> Iterator[HubOnSocket]:
    """It offers one version: the runner takes the best that it finds."""
    settings = {"version": request.param, "offered_versions": (request.param,), "hub_party": "NL-ZZZ"}
    with hub_on_socket(sqlite_url, tmp_path, prepare=fill, is_found_there=True, **settings) as running:
        yield running


@pytest.mark.parametrize("partner", list(SEEN_BY))
async def test_nothing_fails(hub: HubOnSocket, partner: str) -> None:
    report = await conformance(f"{hub.url}/ocpi/versions", hub.hub.tokens[partner])
    assert (report.exit_code, report.of("failed")) == (0, []), report.text
    assert report.version == hub.hub.speech.version
    seen = SEEN_BY[partner]
    for module, detail in report.about("warnings", "module.objects").items():
        reasons = {re.sub(r"^\[\d+\] ", "", reason) for reason in detail.split("; ")}
        assert reasons == {MISREAD[report.version].get(module)}, report.text
    misread = [("module.objects", module) for module in MISREAD[report.version] if module in seen]
    assert report.of("warnings") == misread, report.text
    for id in ("module.link_host", "module.offset", "module.date_from"):
        assert report.about("passed", id).keys() == seen, report.text
    for id in ("module.page", "module.limit", "module.xlimit", "module.link"):
        assert report.about("passed", id).keys() == MODULES, report.text
    unseen = sorted((id, module) for id in ("module.offset", "module.date_from") for module in MODULES - seen)
    assert sorted(report.of("skipped")) == unseen
    assert report.about("passed", "module.link")["tokens" if partner == "cpo" else "cdrs"].startswith(
        f"X-Total-Count: {COUNT}, this page: 10, next link: present"
    )
