"""Calls to a registered partner: with its token as it likes it, and noted in the journal."""

from collections.abc import Sequence
from datetime import datetime

from roaming.ocpi.answers import Answer
from roaming.ocpi.client import Call
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.wire import Note, as_text, count_losses
from roaming.partners.directory import Partner
from roaming.store.journal import Exchange, mask_body


def call_to(
    services: Services,
    partner: Partner,
    method: str,
    url: str,
    *,
    routing: RoutingHeaders | None = None,
    ids: RequestIds | None = None,
    body: bytes | None = None,
    timeout: float | None = None,
) -> Call:
    """A call with the partner's credentials. ``routing``: ``None`` for configuration modules and 2.1.1; ``ids``: new
    ones by default; ``timeout`` in seconds, default the client's."""
    token = services.secrets.unseal(partner.sealed_token, partner_id=partner.id)
    return Call(
        partner_key=partner.id,
        method=method,
        url=url,
        token_header=dialect_of(partner).token_header(token),
        headers=routing,
        ids=ids or RequestIds.fresh(),
        body=body,
        timeout=timeout,
    )


async def ask_partner(
    services: Services, call: Call, *, module: str, parties: str = "", notes: Sequence[Note] = ()
) -> Answer:
    """Sends ``call`` and notes it. ``notes``: what people should read beside it. Never raises for anything that the
    partner does."""
    at = services.clock.now()
    answer = await services.client.request(call)
    note_call(services, call, answer, at=at, module=module, parties=parties, notes=notes)
    return answer


def note_call(
    services: Services,
    call: Call,
    answer: Answer,
    *,
    at: datetime,
    module: str,
    parties: str = "",
    notes: Sequence[Note] = (),
    has_response: bool = True,
) -> None:
    """Notes a call that began ``at`` and its answer in the journal, ``has_response``: the answer's body too."""
    services.journal.note(
        Exchange(
            at=at,
            direction="out",
            method=call.method,
            url=call.url,
            partner_id=call.partner_key,
            module=module,
            http_status=answer.http_status,
            ocpi_status=answer.ocpi_status,
            request_id=call.ids.request_id,
            correlation_id=call.ids.correlation_id,
            parties=parties,
            elapsed_ms=int(answer.elapsed * 1000),
            request_body=mask_body(call.body or b""),
            response_body=mask_body(answer.body) if has_response else "",
            note=as_text([*([answer.error] if answer.error else []), *notes]),
        )
    )
    count_losses(services.journal, call.partner_key, module, notes)


def parties_of(routing: RoutingHeaders) -> str:
    """From whom to whom, as the journal has it."""
    return f"{routing.from_party or ''}>{routing.to_party or ''}"
