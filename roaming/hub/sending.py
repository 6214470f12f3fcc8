"""One attempt at one delivery: looked up first when it is in doubt, sent, and noted in the journal."""

import time

from roaming.hub.judging import Pending, Prepared, Result, judge
from roaming.hub.recording import Recorder
from roaming.ocpi.client import Answer, Call
from roaming.ocpi.headers import RequestIds
from roaming.ocpi.module import CopyUnknown, PushRequest, Services, Verdict, routing_to
from roaming.ocpi.wire import loss_note
from roaming.store.journal import Exchange, mask_body

TIMEOUT_SECONDS = 10.0


class Sender:
    """Sends for all lanes."""

    def __init__(self, services: Services, recorder: Recorder) -> None:
        self._services = services
        self._recorder = recorder

    async def attempt(self, prepared: Prepared) -> Result:
        """Sends once, unless there is nothing to send or the partner has it already. Raises ``StoreUnavailable``,
        then nothing was sent."""
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
        job = pending.job
        ids = RequestIds.fresh(pending.correlation_id or None)
        token = self._services.secrets.unseal(job.partner.sealed_token, partner_id=job.partner.id)
        started, at = time.perf_counter(), self._services.clock.now()
        answer = await self._services.client.request(
            Call(
                partner_key=job.partner.id,
                method=request.method,
                url=request.url,
                token_header=job.dialect.token_header(token),
                headers=routing_to(job.partner, job.recipient.from_party, job.recipient.to_party),
                ids=ids,
                body=request.body,
                timeout=TIMEOUT_SECONDS,
            )
        )
        self._services.journal.note(
            Exchange(
                at=at,
                direction="out",
                method=request.method,
                url=request.url,
                partner_id=job.partner.id,
                module=job.module,
                http_status=answer.http_status,
                ocpi_status=answer.ocpi_status,
                request_id=ids.request_id,
                correlation_id=ids.correlation_id,
                parties=f"{job.recipient.from_party or ''}>{job.recipient.to_party or ''}",
                elapsed_ms=int((time.perf_counter() - started) * 1000),
                request_body=mask_body(request.body or b""),
                response_body=mask_body(answer.body),
                note="; ".join([*([answer.error] if answer.error else []), *map(loss_note, request.losses)]),
            )
        )
        return answer
