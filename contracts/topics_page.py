"""The page about the topics, for whoever reads them with a program of their own. Written by ``export``."""

from contracts.json_schema import name_of
from contracts.topics import TOPICS, Topic

HEAD = """# Topics

Written by `python -m contracts.export`: change `contracts/topics.py` and `contracts/messages/` instead.

A network operation centre may read these topics beside the hub, with consumer groups of its own (no name that begins
with `service.` or `adapter.`). What holds for all of them:

- A record is an *envelope* (`../schemas/Envelope.json`) in JSON: `type` and `version` name the message, `body` holds
  it, `occurred_at` is when it happened, `recorded_at` when it was written down.
- The key is the envelope's `subject`, so that the messages of one subject stay in order.
- Delivery is at least once: take an `id` once.
- Skip types, versions and fields that you do not know. Fields may be added with a default; anything else is a new
  version of the message, published beside the old one for a release.
- Nobody but the writer named here writes. A reader needs `READ` on the topic and its group, nothing more.
- Topics hold what all operators' stations say: what one party may see is for the hub to say (`/api/feed`, webhooks).
- `asyncapi.json` says the same for machines (AsyncAPI 3.0), with an example of each message.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(topic) for topic in TOPICS)])


def _section(topic: Topic) -> str:
    hours = int(topic.retention.total_seconds() // 3600) if topic.retention is not None else 0
    kept = f"{hours} hours" if hours else "the last message of each subject, for ever"
    rows = [
        f"| [`{message.__name__}`](../schemas/{name_of(message)}.json) | {' '.join((message.__doc__ or '').split())} |"
        for message in topic.messages
    ]
    return "\n".join(
        [
            f"## `{topic.name}`",
            "",
            f"Written by {topic.writer}; the hub's own readers: {', '.join(topic.readers)}. Kept: {kept}."
            f" Partitions: {topic.partitions}.",
            "",
            "| message | what it says |",
            "|---|---|",
            *rows,
            "",
        ]
    )
