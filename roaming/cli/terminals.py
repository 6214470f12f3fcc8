"""Payment terminals from the command line: what a hosted CPO asks of the provider (PTP) that runs them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.cli.registering import party_of
from roaming.model.party import Role
from roaming.modules.payments import asking, service
from roaming.modules.payments.asking import NotDone, Pair
from roaming.modules.payments.model import Terminal
from roaming.ocpi.module import Services
from roaming.partners.directory import Partner

Ask = Callable[[Services, Partner, Pair], Awaitable[None]]


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
