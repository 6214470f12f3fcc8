"""How long the bodies of the bus wait for what, and why. Imports no broker's library."""

FIRST_PAUSE = 0.1
"""Seconds before a handler that raised is called again; doubled each time, up to ``LONGEST_PAUSE``."""
LONGEST_PAUSE = 5.0
CLOSE_WAIT = 10.0
"""Seconds that a running handler has to finish when the bus is closed."""

REVOKE_WAIT = 5.0
"""Seconds that a running handler holds up a rebalance. Afterwards its partitions go, and are not acknowledged by us."""
SESSION_MS = 2_000
"""How long a killed member keeps its partitions, where the broker's ``group.min.session.timeout.ms`` allows it: ours
(``deploy``) do. Four heartbeats fit in (contracts/decisions/0055)."""
LONG_SESSION_MS = 6_000
"""The least that brokers accept by default: then another member has the partitions about 6 s later."""
READER = {
    # A member learns of a rebalance by its heartbeat, so every rebalance lasts at least this long
    "heartbeat_interval_ms": 500,
    # How long the group waits for a member to come back to a rebalance: longer than REVOKE_WAIT
    "rebalance_timeout_ms": 10_000,
    # A member whose handler hangs this long leaves the group, and another takes its partitions
    "max_poll_interval_ms": 120_000,
    # A fetch that is under way holds up the next one of the same broker, so it must not wait long for nothing
    "fetch_max_wait_ms": 200,
}
"""Kafka's settings of a consumer."""
CLIENT = {
    # Between two tries at a broker that is away, so that it is found at once when it is back
    "retry_backoff_ms": 100,
    # Longer than rebalance_timeout_ms, since joining a group is a request that lasts as long as the rebalance
    "request_timeout_ms": 15_000,
    "metadata_max_age_ms": 60_000,
}
"""Kafka's settings of every client."""
POLL_MS = 1_000
"""A reader's loop turns at least this often."""

RECONNECT_PAUSE = 0.5
PROBE_EVERY = 1.0
PROBE_WAIT = 2.0
STOP_WAIT = 5.0
"""Seconds that a client has to say goodbye; then it goes on doing so in the background."""
