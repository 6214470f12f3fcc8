"""What the commands about webhooks do."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from roaming.cli.database import services_of_now
from roaming.cli.output import fail
from roaming.feed import mailing, subscribers, trying
from roaming.feed.subscribers import NoSuchSubscriber, Wanted
from roaming.ocpi.errors import OcpiError
from roaming.ocpi.module import Services
from roaming.store.database import Work


async def list_subscribers(channel: str) -> list[dict[str, Any]]:
    """All of a channel, and how it goes with each."""
    async with services_of_now() as services, services.database.reading() as connection:
        found = await subscribers.listed(connection)
    return [
        {
            "name": one.name,
            "url" if channel == "WEBHOOK" else "address": one.address,
            "events": " ".join(one.kinds) or "*",
            "party": one.party or "all",
            "state": "on" if one.is_on else "off",
            "pending": counts.get("PENDING", 0),
            "sent": counts.get("SENT", 0),
            "dead": counts.get("DEAD", 0),
            "failing since": one.failing_since or "",
            "last error": one.last_error,
        }
        for one, counts in found
        if one.channel == channel
    ]


async def add_webhook(name: str, url: str, *, events: Sequence[str], party: str, secret: str) -> dict[str, Any]:
    """Adds one; its secret is shown this once."""
    wanted = Wanted(name=name, channel="WEBHOOK", address=url, party=party, kinds=tuple(events), secret=secret)
    async with services_of_now() as services:
        try:
            async with services.database.work() as work:
                made = await subscribers.add(work, wanted, secrets=services.secrets, check=services.client.check)
        except OcpiError as error:
            fail(f"the address: {error.message}")
        except ValueError as error:
            fail(str(error))
    return {
        "webhook": name,
        "secret": made,
        "keep it": "it is not shown again",
        "next": f"roaming webhook test {name}",
    }


async def add_mail(name: str, address: str, *, events: Sequence[str], party: str) -> dict[str, Any]:
    """Adds a reader of e-mail."""
    kinds = tuple(events) or mailing.USUAL_KINDS
    wanted = Wanted(name=name, channel="EMAIL", address=address, party=party, kinds=kinds)
    async with services_of_now() as services:
        if services.mail_server is None:
            fail(trying.NO_MAIL_SERVER)
        try:
            async with services.database.work() as work:
                await subscribers.add(work, wanted, secrets=services.secrets, check=mailing.check_address)
        except ValueError as error:
            fail(str(error))
    return {"mail": name, "events": " ".join(kinds), "next": f"roaming mail test {name}"}


async def test_webhook(name: str) -> dict[str, Any]:
    """What came of a test event."""
    async with services_of_now() as services:
        try:
            return await trying.tried(services, name)
        except NoSuchSubscriber as error:
            fail(str(error))


async def list_sent(name: str, *, state: str, limit: int) -> list[dict[str, Any]]:
    """Notifications, the newest first."""
    async with services_of_now() as services, services.database.reading() as connection:
        try:
            return await subscribers.notifications(connection, name, state=state.upper(), limit=limit)
        except NoSuchSubscriber as error:
            fail(str(error))


async def replay_webhook(name: str, numbers: Sequence[int]) -> dict[str, Any]:
    """Dead notifications wait again."""
    async with _changing() as (_, work):
        return {"webhook": name, "sent again": await subscribers.replay(work, name, seqs=numbers)}


async def renew_secret(name: str) -> dict[str, Any]:
    """A new secret, shown this once."""
    async with _changing() as (services, work):
        made = await subscribers.renew_secret(work, name, secrets=services.secrets)
    return {"webhook": name, "secret": made, "note": "messages are signed with the one before too for a day"}


async def switch_webhook(name: str, *, is_on: bool) -> dict[str, Any]:
    """On or off."""
    async with _changing() as (_, work):
        await subscribers.switch(work, name, is_on=is_on)
    return {"webhook": name, "state": "on" if is_on else "off"}


async def remove_webhook(name: str) -> dict[str, Any]:
    """Gone for good."""
    async with _changing() as (_, work):
        await subscribers.remove(work, name)
    return {"webhook": name, "state": "removed"}


@asynccontextmanager
async def _changing() -> AsyncIterator[tuple[Services, Work]]:
    async with services_of_now() as services:
        try:
            async with services.database.work() as work:
                yield services, work
        except NoSuchSubscriber as error:
            fail(str(error))
