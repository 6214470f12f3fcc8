"""One attempt at one delivery: looked up first when it is in doubt, sent, and noted in the journal."""

from roaming.hub.judging import Pending, Prepared, Result, judge
from roaming.hub.recording import Recorder
from roaming.ocpi.answers import Answer
from roaming.ocpi.codec import dump_json, parse_json
from roaming.ocpi.headers import RequestIds, RoutingHeaders
from roaming.ocpi.module import CopyUnknown, PushRequest, Services, Verdict, dialect_of, routing_to
from roaming.ocpi.null_fields import form_of_push, with_nulls
from roaming.ocpi.partner_call import ask_partner, call_to, parties_of

TIMEOUT_SECONDS = 10.0


class Sender:
    """Sends for all lanes."""

    def __init__(self, services: Services, recorder: Recorder) -> None:
        self._services = services
        self._recorder = recorder

    async def attempt(self, prepared: Prepared) -> Result:
        """Sends once, unless there is nothing to send or the partner has it already. Raises ``NotAsRead`` and
        ``StoreUnavailable``, then nothing was sent."""
        pending, request = prepared.pending, prepared.request
        if prepared.error:
            return Result(pending=pending, verdict=Verdict.REFUSED, error=prepared.error)
        if request is None:
            return Result(pending=pending, verdict=Verdict.DELIVERED, is_dropped=True)
        if pending.is_in_doubt and pending.rules.find_copy is not None:
            try:
                found = await pending.rules.find_copy(self._services, pending.job, pending.endpoint)
            except CopyUnknown as error:
                return Result(
                    pending=pending, verdict=Verdict.RETRY, error=str(error), is_in_doubt=True, is_partner_trouble=True
                )
            if found is not None:
                return Result(pending=pending, verdict=Verdict.DELIVERED, remote_url=found)
        if pending.is_record:
            await self._recorder.leaves(pending, TIMEOUT_SECONDS)
        return judge(pending, request, await self._send(pending, request))

    async def _send(self, pending: Pending, request: PushRequest) -> Answer:
        recipient, partner = pending.job.recipient, pending.job.partner
        call = call_to(
            self._services,
            partner,
            request.method,
            request.url,
            routing=routing_to(partner, recipient.from_party, recipient.to_party),
            ids=RequestIds.fresh(pending.correlation_id or None),
            body=self._body(pending, request),
            timeout=TIMEOUT_SECONDS,
        )
        return await ask_partner(
            self._services,
            call,
            module=pending.job.module,
            parties=parties_of(RoutingHeaders(recipient.from_party, recipient.to_party)),
            notes=request.losses,
        )

    def _body(self, pending: Pending, request: PushRequest) -> bytes | None:
        partner, job = pending.job.partner, pending.job
        if request.body is None or partner.version is None or dialect_of(partner).null_fields != "sent":
            return request.body
        routes = next(module.routes for module in self._services.modules if module.id == job.module)
        form = form_of_push(
            routes, partner.version, pending.rules.interface, request.method, pending.endpoint, request.url
        )
        return request.body if form is None else dump_json(with_nulls(form, parse_json(request.body)))
