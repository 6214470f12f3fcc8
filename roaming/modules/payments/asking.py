"""A hosted CPO and a partner's PTP: its terminals are changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from roaming.model.identifiers import PartyId
from roaming.model.party import InterfaceRole
from roaming.model.time import format_timestamp
from roaming.model.version import Version
from roaming.modules.payments import service
from roaming.modules.payments.codec import v230
from roaming.modules.payments.model import Terminal
from roaming.modules.payments.repository import TERMINALS
from roaming.ocpi.client import Outcome
from roaming.ocpi.codec import dump_json
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.partner_call import ask_partner, call_to, parties_of
from roaming.partners.directory import Partner

TIMEOUT_SECONDS = 10.0


class NotDone(RuntimeError):
    """The PTP did not do it. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Who asks whom."""

    cpo: PartyId
    provider: PartyId


async def activate(services: Services, partner: Partner, pair: Pair, terminal: Terminal) -> None:
    """Asks for a terminal; the PTP tells of it later. Raises ``NotDone``."""
    body = service.TO_ACTIVATE.encode(terminal).body
    await _send(services, partner, pair, "POST", ("activate",), body if terminal.terminal_id else _without_id(body))


async def deactivate(services: Services, partner: Partner, pair: Pair, terminal_id: str) -> None:
    """Gives a terminal up. Raises ``NotDone``."""
    await _send(services, partner, pair, "POST", (terminal_id, "deactivate"), None)


async def update(services: Services, partner: Partner, pair: Pair, terminal: Terminal) -> None:
    """Says where a terminal is. Raises ``NotDone``."""
    body = v230.TERMINAL_CODEC.encode(terminal).body
    await _send(services, partner, pair, "PUT", (terminal.terminal_id,), body)


async def assign(
    services: Services,
    partner: Partner,
    pair: Pair,
    terminal_id: str,
    *,
    location_ids: Sequence[str],
    evse_uids: Sequence[str],
) -> None:
    """Says which locations and EVSEs a terminal is for. Raises ``NotDone``."""
    body = {
        "location_ids": list(location_ids),
        "evse_uids": list(evse_uids),
        "last_updated": format_timestamp(services.clock.now()),
    }
    await _send(services, partner, pair, "PATCH", (terminal_id,), body)


def _without_id(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "terminal_id"}


async def _send(
    services: Services, partner: Partner, pair: Pair, method: str, path: Sequence[str], body: dict[str, Any] | None
) -> None:
    endpoint = partner.endpoint(service.MODULE, InterfaceRole.SENDER)
    if endpoint is None or partner.version != Version.V2_3_0:
        raise NotDone(f"{partner.id} offers no payments")
    routing = RoutingHeaders(pair.cpo, pair.provider)
    url = dialect_of(partner).address(endpoint, TERMINALS.path, *path)
    call = call_to(
        services,
        partner,
        method,
        url,
        routing=routing,
        body=dump_json(body) if body is not None else None,
        timeout=TIMEOUT_SECONDS,
    )
    answer = await ask_partner(services, call, module=service.MODULE, parties=parties_of(routing))
    if answer.outcome != Outcome.DELIVERED:
        raise NotDone(answer.error or answer.message or f"HTTP {answer.http_status}")
