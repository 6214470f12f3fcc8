"""The channel of webhooks: one event by one POST, signed, to an address that is checked where it is connected to.

What any status of 2xx answers has arrived, whatever the body; 410 switches the subscriber off, as the Standard Webhooks
specification says. Redirects are not followed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from roaming.feed.delivering import Attempt, Message
from roaming.feed.signing import signed
from roaming.feed.subscribers import Subscriber, secrets_of
from roaming.model.time import Clock
from roaming.ocpi.answers import Answer, Outcome
from roaming.ocpi.client import Call, OcpiClient
from roaming.ocpi.headers import RequestIds
from roaming.ocpi.secrets import Secrets
from roaming.store.database import Database

GONE = 410
TIMEOUT = 15.0
"""Seconds a receiver has to answer."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class WebhookChannel:
    """Implements ``delivering.Channel``."""

    at_once = 1
    rest_seconds = 0.0

    def __init__(self, database: Database, client: OcpiClient, secrets: Secrets, clock: Clock) -> None:
        self._database = database
        self._client = client
        self._secrets = secrets
        self._clock = clock

    async def send(self, subscriber: Subscriber, messages: Sequence[Message]) -> Attempt:
        """Sends the one message."""
        (message,) = messages
        return judged(await self.post(subscriber, message.event))

    async def post(self, subscriber: Subscriber, event: Mapping[str, Any]) -> Answer:
        """Sends an event and returns the answer as it is."""
        now = self._clock.now()
        async with self._database.reading() as connection:
            secrets = await secrets_of(connection, subscriber.name, self._secrets, now)
        body = _ENCODER.encode(event)
        id = str(event["id"])
        call = Call(
            partner_key=f"webhook {subscriber.name}",
            method="POST",
            url=subscriber.address,
            token_header=None,
            ids=RequestIds(id, id),
            body=body,
            timeout=TIMEOUT,
            more_headers=signed(body, id=id, timestamp=int(now.timestamp()), secrets=secrets),
            is_judged_by_http=True,
        )
        return await self._client.request(call)


def judged(answer: Answer) -> Attempt:
    """An answer as an attempt."""
    status = answer.http_status
    if status is not None and 200 <= status <= 299:
        return Attempt(http_status=status)
    error = f"HTTP {status}" if status is not None else answer.error or answer.outcome.value
    if status is not None and 300 <= status <= 399:
        error = f"HTTP {status}: redirects are not followed; give the address they lead to"
    return Attempt(
        error=error,
        http_status=status,
        is_down=status is None or answer.outcome is Outcome.UNREACHABLE or status in (429, 502, 503, 504),
        is_gone=status == GONE,
        retry_after=answer.retry_after,
    )
