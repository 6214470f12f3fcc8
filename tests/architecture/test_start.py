"""What a process imports at its start: it is to be back at work three seconds after a kill."""

import subprocess
import sys

import pytest

HTTP = {"fastapi", "starlette", "uvicorn", "jinja2"}
STORE = {"sqlalchemy", "sqlmodel", "asyncpg", "aiosqlite"}


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("roaming.cli", HTTP | STORE | {"alembic", "pydantic", "httpx", "aiokafka"}),
        ("roaming.cli.running, contracts.bus.kafka", HTTP | {"alembic"}),
        ("roaming.cli.running, roaming.cli.http, roaming.ocpi.server", {"alembic", "aiokafka"}),
        ("adapters.__main__, adapters.ocpp.adapter", HTTP | STORE | {"alembic", "httpx"}),
    ],
    ids=["command line", "worker", "service", "adapter"],
)
def test_only_what_is_needed_is_imported(modules: str, unwanted: set[str]) -> None:
    command = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert unwanted & set(done.stdout.split()) == set()
