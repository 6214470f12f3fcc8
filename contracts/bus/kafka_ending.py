"""How clients of Kafka begin and end: in bounded time, without a connection left open, and without sending what was
given up."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from contracts.bus import timing


async def begin(client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient) -> None:
    """Starts a client, which is to be ended by the caller also when this raises. A start that is cancelled while it
    asks its first broker for the others forgets that connection, so it may end by itself before, in bounded time."""
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting}, timeout=timing.STOP_WAIT)
        if not starting.cancel():
            starting.exception()  # seen, or asyncio reports it
        raise


async def drop(producer: AIOKafkaProducer) -> None:
    """Ends a producer without sending what it has queued, as ``stop`` would: that would arrive after what is new."""
    accumulator = producer._message_accumulator
    queued = [batch for queue in accumulator._batches.values() for batch in queue]
    abandoned = [batch.future for batch in (*accumulator._pending_batches, *queued)]
    accumulator.fail_all(KafkaError("this producer was given up"))
    accumulator._batches.clear()
    for future in (*abandoned, *(batch._drain_waiter for batch in queued)):
        future.exception()  # seen, or asyncio reports it
    accumulator.reenqueue = lambda batch: None  # what comes back from a request under way
    try:
        await producer.stop()
    finally:
        await producer.client.close()


async def leave(consumer: AIOKafkaConsumer) -> None:
    """Leaves the group, and lets go of the connections even when that is cut short."""
    try:
        await consumer.stop()
    except BaseException:
        await consumer._client.close()
        raise
