"""What a newcomer waits for: the demo from its first instruction to its first answer and first acknowledged CDR."""

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bench.load import cpu_seconds
from tests.kit.server_process import children_of, free_port

PATIENCE = 120.0


@dataclass(frozen=True, kw_only=True)
class Shown:
    """``answered`` and ``acknowledged`` in seconds from the start of the process; ``cpu`` in seconds until the answer;
    ``resident`` in MB, of all its processes, when the CDR has been acknowledged."""

    answered: float
    cpu: float
    acknowledged: float
    resident: float


async def demo(folder: Path) -> Shown:
    """Raises ``TimeoutError`` after two minutes."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROAMING_")}
    environment |= {"ROAMING_PORT": str(port), "ROAMING_OCPP_PORT": str(free_port())}
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "roaming", "demo", "--partner-port", str(free_port())),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(trust_env=False) as client:
            await _totals(client, port)
            answered, cpu = time.monotonic() - began, cpu_seconds([process.pid, *children_of(process.pid)])
            while (await _totals(client, port))["acknowledged"] == 0:
                await asyncio.sleep(0.1)
            acknowledged = time.monotonic() - began
        pids = [process.pid, *children_of(process.pid)]
        return Shown(answered=answered, cpu=cpu, acknowledged=acknowledged, resident=sum(map(_resident, pids)))
    finally:
        process.terminate()
        await process.wait()


async def _totals(client: httpx.AsyncClient, port: int) -> dict[str, int]:
    while True:
        try:
            answer = await client.get(f"http://127.0.0.1:{port}/console/state")
            return dict(answer.raise_for_status().json()["totals"])
        except httpx.TransportError:
            await asyncio.sleep(0.02)


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS"))
