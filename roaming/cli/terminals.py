"""Payment terminals from the command line: what a hosted CPO asks of the provider (PTP) that runs them, and what a
hosted provider tells a CPO."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from roaming.cli.database import services_of_now
from roaming.cli.importing import objects_of
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.model.party import Role
from roaming.model.time import next_update
from roaming.model.version import Version
from roaming.modules.payments import asking, service
from roaming.modules.payments.asking import NotDone, Pair
from roaming.modules.payments.model import Terminal
from roaming.modules.payments.repository import CONFIRMATIONS, TERMINALS
from roaming.ocpi.codec import DecodeError
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services
from roaming.partners.directory import Partner

Ask = Callable[[Services, Partner, Pair], Awaitable[None]]


async def publish_of_provider(
    kind: str, file: Path, *, provider: str, cpo: str, is_dry_run: bool
) -> list[dict[str, Any]]:
    """Publishes each terminal or confirmation of ``file`` for a CPO; one row of the answer for each."""
    shelf = {"terminal": TERMINALS, "confirmation": CONFIRMATIONS}[kind]
    ptp, operator, entries = party_of(provider), party_of(cpo), objects_of(file)
    rows = []
    async with services_of_now() as services:
        directory = await services.directory.current()
        if not any(directory.is_hosted(ptp, role) for role in service.PROVIDERS):
            fail(f"--from: {ptp} is no PTP hosted here: roaming party add {ptp} --role OTHER")
        if directory.partner_of(operator) is None or not directory.may_exchange(cpo=operator, emsp=ptp):
            fail(f"--to: {operator} is no connected CPO with an agreement with {ptp}: `roaming agreement list`")
        for number, entry in enumerate(entries, 1):
            name = entry.get("terminal_id", entry.get("id", "?")) if isinstance(entry, dict) else "?"
            row: dict[str, Any] = {"row": number, "object": str(name), "state": "ok", "error": ""}
            try:
                if isinstance(entry, dict):
                    entry = {"last_updated": "2000-01-01T00:00:00Z", **entry}
                value = service.CODECS[shelf.path][Version.V2_3_0].decode(entry).value
                if not is_dry_run:
                    async with services.database.work() as work:
                        value = msgspec.structs.replace(value, last_updated=next_update(None, work.now))
                        await service.publish(work, shelf, value, provider=ptp, cpo=operator)
            except (DecodeError, OcpiError) as error:
                row |= {"state": "error", "error": str(error)}
            rows.append(row)
    return rows


async def activate_terminal(
    terminal_id: str, *, cpo: str, provider: str, reference: str, locations: Sequence[str], evses: Sequence[str]
) -> dict[str, Any]:
    """Asks for a terminal, which the PTP tells of later."""

    async def ask(services: Services, partner: Partner, pair: Pair) -> None:
        terminal = Terminal(
            terminal_id=terminal_id,
            country_code=pair.cpo.country_code,
            party_id=pair.cpo.party_id,
            reference=reference or None,
            location_ids=tuple(locations),
            evse_uids=tuple(evses),
            last_updated=services.clock.now(),
        )
        await asking.activate(services, partner, pair, terminal)

    return await _ask(ask, terminal_id, cpo=cpo, provider=provider, done="activation asked for")


async def assign_terminal(
    terminal_id: str, *, cpo: str, provider: str, locations: Sequence[str], evses: Sequence[str]
) -> dict[str, Any]:
    """Says which locations and EVSEs a terminal is for."""
    if not locations and not evses:
        fail("--location, --evse: say what the terminal is for")

    async def ask(services: Services, partner: Partner, pair: Pair) -> None:
        await asking.assign(services, partner, pair, terminal_id, location_ids=locations, evse_uids=evses)

    return await _ask(ask, terminal_id, cpo=cpo, provider=provider, done="assigned")


async def deactivate_terminal(terminal_id: str, *, cpo: str, provider: str) -> dict[str, Any]:
    """Gives a terminal up."""

    async def ask(services: Services, partner: Partner, pair: Pair) -> None:
        await asking.deactivate(services, partner, pair, terminal_id)

    return await _ask(ask, terminal_id, cpo=cpo, provider=provider, done="deactivated")


async def _ask(ask: Ask, terminal_id: str, *, cpo: str, provider: str, done: str) -> dict[str, Any]:
    pair = Pair(cpo=party_of(cpo), provider=party_of(provider))
    async with services_of_now() as services:
        directory = await services.directory.current()
        partner = directory.partner_of(pair.provider)
        if not directory.is_hosted(pair.cpo, Role.CPO):
            fail(f"--from: {pair.cpo} is no CPO hosted here: see `roaming party list`")
        is_provider = directory.has_role(pair.provider, *service.PROVIDERS)
        if partner is None or not is_provider or not directory.may_exchange(cpo=pair.cpo, emsp=pair.provider):
            fail(
                f"--to: {pair.provider} is no connected PTP with an agreement with {pair.cpo}: `roaming agreement list`"
            )
        try:
            await ask(services, partner, pair)
        except NotDone as error:
            fail(str(error))
        finally:
            await services.journal.flush()
    return {"terminal": terminal_id or "(the PTP's choice)", "PTP": str(pair.provider), "state": done}
