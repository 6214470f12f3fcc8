"""Composition root of everything that is not HTTP: consumers, relay, fan-out, deliveries, journal, module tasks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from contracts.bus.port import Bus
from roaming.billing.watching import Watcher
from roaming.feed import delivering, numbering
from roaming.feed.mailing import MailChannel
from roaming.feed.webhooks import WebhookChannel
from roaming.hub.alive import Alive
from roaming.hub.deliver import Deliverer
from roaming.hub.fan_out import FanOut
from roaming.hub.pulling.puller import Puller
from roaming.hub.retelling import Reteller
from roaming.monitoring import lines, watching, wire
from roaming.ocpi import asked, outgoing, sent
from roaming.ocpi.module import OcpiModule, Services
from roaming.operations import files, renewing, waves
from roaming.operations import projection as operations
from roaming.operations import records as operation_records
from roaming.operations.authority import authority_of
from roaming.partners import registry, retelling, rule_times
from roaming.settings import Settings
from roaming.stations import bindings, certificates, presence
from roaming.store import inbox, journal
from roaming.store.consume import Consumer, keep_malformed
from roaming.store.errors import StoreUnavailable
from roaming.store.locks import locks_of
from roaming.store.relay import Relay
from roaming.store.trimming import Trimmer, Trimming

logger = structlog.get_logger(__name__)

RESTART_SECONDS = 1.0


class Worker:
    """One worker; several may run beside each other on PostgreSQL and Kafka.

    ``days``: for how long what grows is kept, see ``store.trimming``; without them nothing is removed.
    """

    def __init__(self, services: Services, bus: Bus, *, days: Mapping[str, int] | None = None) -> None:
        self._services = services
        self._bus = bus
        self._modules = services.modules
        self._days = days or {}
        self._locks = locks_of(services.database)
        self._tasks: list[asyncio.Task[Any]] = []
        self._consumers: list[Consumer] = []

    async def start(self) -> None:
        """Subscribes the consumers, connects the bus and begins to work."""
        services, database = self._services, self._services.database
        projections = [presence.PROJECTION, operations.PROJECTION, *watching.PROJECTIONS]
        projections.append(wire.projection(services.wire_kilobytes, services.wire_megabytes))
        for module in self._modules:
            projections.extend(module.projections(services))
        self._consumers = [Consumer(database, projection) for projection in projections]
        for consumer in self._consumers:
            self._bus.subscribe(consumer.subscription())
        for module in self._modules:
            for subscription in module.subscriptions(services, self._bus):
                self._bus.subscribe(replace(subscription, on_malformed=partial(keep_malformed, database)))
        await self._bus.start()
        self._spawn("relay", Relay(database, self._bus, self._locks).run)
        self._spawn("fan-out", FanOut(services, self._modules, self._locks).run)
        self._spawn("reteller", Reteller(services, self._modules, self._locks).run)
        self._spawn("rule-times", partial(rule_times.run, database, self._locks))
        self._spawn("deliverer", Deliverer(services, self._modules, self._locks).run)
        if services.pulling.is_on:
            self._spawn("puller", Puller(services, self._modules).run)
        self._spawn("alive", Alive(services, self._locks).run)
        self._spawn("operations", partial(operations.watch_deadlines, database))
        addresses = files.Addresses(base=services.files_url, digest=services.secrets.digest)
        self._spawn("waves", partial(waves.run, database, self._locks, addresses))
        authority, days = authority_of(services), services.certificate_renewal
        self._spawn("renewals", partial(renewing.run, database, self._locks, authority, days=days))
        self._spawn("journal", services.journal.run)
        self._spawn("trimmer", Trimmer(database, trimmings(self._modules), self._locks, days=self._days).run)
        self._spawn("cdr-checks", Watcher(services, self._locks).run)
        self._spawn("events", partial(numbering.run, database, self._locks))
        self._spawn("absences", partial(lines.watch, database, timedelta(seconds=services.offline_notice)))
        self._spawn("notifications", self._notifying().run)
        for module in self._modules:
            for number, task in enumerate(module.tasks(services)):
                self._spawn(f"{module.id}-{number}", task)

    def _spawn(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(kept_running(name, work), name=name))

    def _notifying(self) -> delivering.Deliverer:
        services = self._services
        webhooks = WebhookChannel(services.database, services.client, services.secrets, services.clock)
        channels: dict[str, delivering.Channel] = {"WEBHOOK": webhooks}
        if services.mail_server is not None:
            channels["EMAIL"] = MailChannel(services.mail_server)
        return delivering.Deliverer(services.database, self._locks, services.clock, channels)

    def is_healthy(self) -> bool:
        """False when a task has ended, the bus stands still or a reader has stopped."""
        return self._bus.is_healthy() and not self.ended_tasks() and not self.stopped_readers()

    def ended_tasks(self) -> list[str]:
        """What this process does no more until it starts again."""
        return [task.get_name() for task in self._tasks if task.done()]

    def stopped_readers(self) -> list[str]:
        """Consumers that met too many dead letters and handle nothing until the process starts again."""
        return [consumer.name for consumer in self._consumers if consumer.is_stopped]

    async def stop(self) -> None:
        """Ends the tasks, then flushes the journal. The bus is closed by whoever opened it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._services.journal.flush()
        except StoreUnavailable:
            logger.warning("journal_lost_at_stop")
        await self._locks.close()


def trimmings(modules: Iterable[OcpiModule]) -> list[Trimming]:
    """Everything that is removed after a while."""
    modules = list(modules)
    own = [trimming for module in modules for trimming in module.trimmings]
    stored = (*inbox.TRIMMINGS, *journal.TRIMMINGS, *sent.TRIMMINGS, *asked.TRIMMINGS, *retelling.TRIMMINGS)
    return [
        *stored,
        *operation_records.TRIMMINGS,
        *files.TRIMMINGS,
        *delivering.TRIMMINGS,
        *watching.TRIMMINGS,
        *certificates.TRIMMINGS,
        *presence.TRIMMINGS,
        *wire.TRIMMINGS,
        *outgoing.trimmings(modules),
        *own,
    ]


def kept_days(settings: Settings) -> dict[str, int]:
    """For how many days each kind of ``trimmings`` is kept."""
    return {
        "journal": settings.journal_days,
        "inbox": settings.inbox_days,
        "dead_letter": settings.dead_letter_days,
        "delivery": settings.delivery_days,
        "command": settings.command_days,
        "operation": settings.operation_days,
        "event": settings.event_days,
        "state": settings.state_days,
        "wire": settings.wire_days,
        "reading": settings.reading_days,
        "late_facts": settings.late_facts_days,
    }


async def retell(services: Services) -> None:
    """Puts into the outbox all that compacted topics hold, for adapters on a bus that keeps nothing (decision 0060).
    Station accounts go last: an adapter that has some has had everything."""
    await registry.retell(services.database)
    for module in services.modules:
        if module.retell is not None:
            await module.retell(services)
    await bindings.retell(services.database)


async def kept_running(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Runs ``work`` until it ends or is cancelled, again after it has failed: what nobody foresaw must not end, say,
    the deliveries of a worker that goes on otherwise."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("worker_task_failed", task=name, again_in=RESTART_SECONDS)
            await asyncio.sleep(RESTART_SECONDS)
        else:
            return
