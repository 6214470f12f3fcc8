"""Checking how well partners, and strangers, speak OCPI."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from roaming.app import find_modules
from roaming.cli.database import known_partner, services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.hub.conformance.probing import Prober
from roaming.hub.conformance.report import Report
from roaming.hub.conformance.suite import Wishes, check_platform
from roaming.model.identifiers import PartyId
from roaming.model.time import SystemClock
from roaming.model.version import Version
from roaming.ocpi.addresses import AddressPolicy
from roaming.ocpi.answers import Answer
from roaming.ocpi.client import Call, OcpiClient
from roaming.ocpi.errors import AddressRefused
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.noticing import notice
from roaming.ocpi.partner_call import note_call
from roaming.partners.checks import keep_check
from roaming.settings import Settings

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What was typed. Empty: not given."""

    token: str = field(repr=False)
    party: str
    version: str
    pages: int
    page_size: int

    def wishes(self, spoken: Version | None = None) -> Wishes:
        """How far the check goes; ``spoken``: the version that we speak with the partner."""
        if self.version and self.version not in tuple(Version):
            fail(f"--version: one of {', '.join(Version)}")
        chosen = Version(self.version) if self.version else spoken
        versions = (chosen,) if chosen is not None else tuple(Version)
        return Wishes(versions=versions, pages=self.pages, page_size=self.page_size)


async def check_stranger(url: str, asking: Asking, tell: Tell) -> dict[str, Any]:
    """Checks the platform whose versions are at ``url``. Needs no database, and keeps nothing."""
    if not asking.token:
        fail("--token: needed with an address: any credentials token that the platform takes")
    wishes, settings, clock = asking.wishes(), Settings(), SystemClock()
    policy = AddressPolicy.of(*settings.allowed_networks, is_http_allowed=settings.is_http_allowed)
    async with OcpiClient(policy) as client:
        try:
            client.check(url)
        except AddressRefused as error:
            fail(f"{url}: {error.message}")
        prober = Prober(
            client=client,
            clock=clock,
            report=Report(url=url, at=clock.now()),
            key="stranger",
            token=asking.token,
            from_party=party_of(asking.party) if asking.party else None,
        )
        report = await check_platform(prober, url, find_modules(), wishes, tell)
    return report.to_json()


async def check_partner(partner_id: str, asking: Asking, tell: Tell) -> dict[str, Any]:
    """Checks a registered partner with the token that it gave us, keeps the report, and notes its habits."""
    if asking.token:
        fail(f"--token: goes with an address; {partner_id} is asked with the token that it gave us")
    async with services_of_now() as services:
        partner = await known_partner(services, partner_id)
        if not partner.is_connected:
            fail(f"{partner_id} is {partner.state}: give its versions address and a token, or register it first")
        wishes = asking.wishes(partner.version)
        directory = await services.directory.current()
        hosted = directory.hosted_parties()
        prober = Prober(
            client=services.client,
            clock=services.clock,
            report=Report(url=partner.versions_url, at=services.clock.now()),
            key=partner.id,
            token=services.secrets.unseal(partner.sealed_token, partner_id=partner.id),
            token_encoding=dialect_of(partner).token_encoding,
            from_party=party_of(asking.party) if asking.party else partner.counterpart or _first(hosted),
            on_exchange=_Noting(services).note,
        )
        try:
            report = await check_platform(prober, partner.versions_url, services.modules, wishes, tell)
        finally:
            await services.journal.flush()
        found = report.to_json()
        async with services.database.work() as work:
            await keep_check(work, partner.id, verdict=report.verdict.value, report=found)
        await notice(services, partner.id, prober.habits)
    return found


class _Noting:
    """Puts each exchange of a check into the journal, without bodies."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def note(self, call: Call, answer: Answer, at: datetime, module: str) -> None:
        note_call(self._services, call, answer, at=at, module=module, has_response=False)


def _first(parties: tuple[PartyId, ...]) -> PartyId | None:
    return parties[0] if parties else None


def report_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line for each check, with its details."""
    return [
        {
            "module": check["module"],
            "check": check["check"],
            "result": check["verdict"].lower(),
            "times": check["count"],
            "details": "; ".join(check["details"]),
        }
        for check in report["checks"]
    ]
