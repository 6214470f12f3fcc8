"""Calls to a registered partner: with its token as it likes it, and noted in the journal."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from roaming.ocpi.answers import Answer
from roaming.ocpi.client import Call
from roaming.ocpi.credentials_token import TokenEncoding, header_value
from roaming.ocpi.dialect import is_by_hand
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.habits import Habit, habits_of_answer, token_habit
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.ocpi.module import Services, dialect_of
from roaming.ocpi.noticing import notice
from roaming.ocpi.wire import Note, as_text, count_losses
from roaming.partners.directory import Partner
from roaming.store.errors import StoreUnavailable
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
    dialect = dialect_of(partner)
    return Call(
        partner_key=partner.id,
        method=method,
        url=url,
        token_header=dialect.token_header(token),
        headers=dialect.routing(routing),
        ids=ids or RequestIds.fresh(),
        body=body,
        timeout=timeout,
        is_judged_by_http=dialect.status_codes == "http",
    )


async def ask_partner(
    services: Services, call: Call, *, module: str, parties: str = "", notes: Sequence[Note] = ()
) -> Answer:
    """Sends ``call`` and notes it, and what it shows of the partner's dialect. ``notes``: what people should read
    beside it. Never raises for anything that the partner does."""
    at = services.clock.now()
    answer, habits = await request_in_either_form(services, call, module=module)
    note_call(services, call, answer, at=at, module=module, parties=parties, notes=notes)
    await notice(services, call.partner_key, habits)
    return answer


async def request_in_either_form(services: Services, call: Call, *, module: str) -> tuple[Answer, list[Habit]]:
    """Sends ``call``; after a 401 once more with the token in its other form, unless a person has set the form. Returns
    the answer and what it shows of the partner's dialect. Nothing is noted."""
    answer = await services.client.request(call)
    habits: list[Habit] = []
    if answer.http_status == 401:
        try:
            other = await _other_form(services, call)
        except (StoreUnavailable, OcpiError):
            other = None
        if other is not None:
            again, used, form = other
            second = await services.client.request(again)
            if second.http_status is not None and 200 <= second.http_status <= 299:
                answer = second
                habits.append(token_habit(call.method, module, used, form, second.http_status))
    return answer, [*habits, *habits_of_answer(call.method, call.url, module, answer)]


async def _other_form(services: Services, call: Call) -> tuple[Call, str, str] | None:
    """``call`` with the token in its other form, the form that was used and that one; ``None`` where a person has set
    the form, or the partner is gone."""
    partner = (await services.directory.current()).partners.get(call.partner_key)
    if partner is None or not partner.sealed_token or is_by_hand(partner.dialect, "token_encoding"):
        return None
    token = services.secrets.unseal(partner.sealed_token, partner_id=partner.id)
    forms: tuple[TokenEncoding, TokenEncoding] = ("base64", "raw")
    used = next((form for form in forms if header_value(token, form) == call.token_header), None)
    if used is None:
        return None  # the token was renewed meanwhile
    other = forms[1] if used == forms[0] else forms[0]
    return replace(call, token_header=header_value(token, other), ids=call.ids.forwarded()), used, other


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
