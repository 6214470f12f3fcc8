"""Trying whether anything arrives at a subscriber: a test event, sent now, past the list."""

import time
from datetime import datetime
from typing import Any

import msgspec

from roaming.feed.delivering import Attempt
from roaming.feed.mailing import MailChannel
from roaming.feed.subscribers import Subscriber, find
from roaming.feed.telling import event_id, written
from roaming.feed.webhooks import WebhookChannel, judged
from roaming.ocpi.module import Services

NO_MAIL_SERVER = "no mail server is set: ROAMING_SMTP_HOST, ROAMING_SMTP_FROM"


async def tried(services: Services, name: str, *, party: str = "") -> dict[str, Any]:
    """Sends a test event now; what came of it. Raises ``NoSuchSubscriber``."""
    async with services.database.reading() as connection:
        subscriber = await find(connection, name, party=party)
    event, began = trial(subscriber, services.clock.now()), time.monotonic()
    if subscriber.channel == "WEBHOOK":
        channel = WebhookChannel(services.database, services.client, services.secrets, services.clock)
        attempt = judged(await channel.post(subscriber, event))
    elif services.mail_server is not None:
        attempt = await MailChannel(services.mail_server).write(subscriber, [event])
    else:
        attempt = Attempt(error=NO_MAIL_SERVER)
    return {
        "name": name,
        "arrived": not attempt.error,
        "http_status": attempt.http_status,
        "error": attempt.error,
        "seconds": round(time.monotonic() - began, 3),
    }


def trial(subscriber: Subscriber, now: datetime) -> dict[str, Any]:
    """What is sent to try whether anything arrives."""
    id, data = event_id("webhook.test", subscriber.name, now.isoformat()), {"subscriber": subscriber.name}
    return written(id, "webhook.test", now, subscriber.party, msgspec.json.encode(data))
