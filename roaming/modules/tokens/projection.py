"""Questions of adapters, answered over the bus. They are not kept: after their deadline nobody waits any more."""

import asyncio
from collections.abc import Sequence

import structlog

from contracts.bus.port import Bus, BusUnavailable, Subscription
from contracts.envelope import Envelope, MalformedEnvelope, UnknownMessage, message_id, wrap
from contracts.messages import AuthorizationRequested
from contracts.topics import AUTHORIZATIONS
from roaming.modules.tokens.asking import decide
from roaming.ocpi.module import Services
from roaming.store.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

MAX_AT_ONCE = 500


class Answerer:
    """Takes questions at once and answers each in a task of its own, so that one slow eMSP delays nobody else."""

    def __init__(self, services: Services, bus: Bus) -> None:
        self._services = services
        self._bus = bus
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            if envelope.type != AuthorizationRequested.__name__:
                continue
            try:
                question = envelope.message()
            except (MalformedEnvelope, UnknownMessage) as error:
                logger.warning("question_unreadable", reason=str(error))
                continue
            assert isinstance(question, AuthorizationRequested)
            if question.deadline <= self._services.clock.now() or len(self._tasks) >= MAX_AT_ONCE:
                continue
            task = asyncio.create_task(self._answer(envelope, question))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, envelope: Envelope, question: AuthorizationRequested) -> None:
        try:
            decided = await decide(self._services, envelope, question)
            now = self._services.clock.now()
            answer = wrap(
                decided,
                id=message_id("AuthorizationDecided", question.request_id),
                subject=envelope.subject,
                sequence=int(now.timestamp() * 1_000_000),
                occurred_at=now,
                recorded_at=now,
                correlation_id=envelope.correlation_id,
                source=self._services.database.source,
                cause=envelope.id,
            )
            await self._bus.publish(AUTHORIZATIONS, [answer])
        except (StoreUnavailable, BusUnavailable) as error:
            logger.warning("question_unanswered", station=envelope.subject, reason=str(error))
        except Exception:
            logger.exception("question_failed", station=envelope.subject)


def subscriptions(services: Services, bus: Bus) -> Sequence[Subscription]:
    """The group ``service.authorizations``; questions from before it started are of no use."""
    return (
        Subscription(
            group="service.authorizations",
            topics=(AUTHORIZATIONS,),
            handler=Answerer(services, bus).handle,
            is_from_start=False,
        ),
    )
