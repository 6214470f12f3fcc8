"""Reading batches from the bus: picks the wanted messages and says what could not be read."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import structlog

from contracts.envelope import Envelope, MalformedEnvelope, UnknownMessage
from contracts.messages import Message

M = TypeVar("M", bound=Message)

logger = structlog.get_logger(__name__)


def read(envelopes: Sequence[Envelope], wanted: type[M]) -> Iterator[tuple[Envelope, M]]:
    """The messages of class ``wanted``. One that does not fit its class is logged and left out: it would come
    again for ever, and those behind it would wait."""
    for envelope in envelopes:
        if envelope.type != wanted.__name__:
            continue
        try:
            message = envelope.message()
        except (MalformedEnvelope, UnknownMessage) as error:
            logger.error("message left out", id=envelope.id, type=envelope.type, error=type(error).__name__)
            continue
        if isinstance(message, wanted):
            yield envelope, message
