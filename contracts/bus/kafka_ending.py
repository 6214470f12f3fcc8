"""How clients of Kafka end: in bounded time, and without sending what was given up."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError


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
