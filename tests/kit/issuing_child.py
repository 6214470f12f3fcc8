"""Issues invoices until it is killed, by itself and as by kill -9, at one point of the way:
``python -m tests.kit.issuing_child SELLER BUYER MONTH STAGE``, on the database of the environment.

What was checked elsewhere is left out: the XML of the invoices.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from roaming.app import open_services
from roaming.billing import announcing
from roaming.billing.invoices import en16931, repository
from roaming.billing.invoices.issuing import issue
from roaming.billing.statement import pair_of
from roaming.model.identifiers import PartyId
from roaming.settings import Settings

COUNTED, STORED, TOLD, COMMITTED, NEVER = STAGES = ("counted", "stored", "told", "committed", "never")


def kill_after(module: Any, name: str, *, is_before: bool = False) -> None:
    """At the end of the first call of a function, or at the beginning of the first one after a number was taken."""
    work: Callable[..., Any] = getattr(module, name)

    async def doomed(*args: Any, **kwargs: Any) -> Any:
        found = None if is_before and _is_counted else await work(*args, **kwargs)
        if not is_before or _is_counted:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(module, name, doomed)


_is_counted = False


def watch_counting() -> None:
    count = repository.count_on

    async def counting(*args: Any) -> Any:
        global _is_counted
        _is_counted = True
        return await count(*args)

    repository.count_on = counting  # type: ignore[assignment]


async def main(seller: str, buyer: str, month: str, stage: str) -> None:
    en16931.written = lambda *_: b""  # type: ignore[assignment]
    watch_counting()
    match stage:
        case "counted":
            kill_after(repository, "count_on")
        case "stored":
            kill_after(repository, "add_invoices")
        case "told":
            kill_after(announcing, "announce")
        case "committed":
            kill_after(repository, "invoices_of_statements", is_before=True)
    async with open_services(Settings()) as services:
        await issue(services, pair_of(PartyId.parse(seller), PartyId.parse(buyer)), month)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
