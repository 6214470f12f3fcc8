"""What takes seconds for a large statement is reckoned beside all else that the process serves."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roaming.billing import settling, statement
from roaming.billing.invoices import issuing, making
from roaming.billing.statement import pair_of
from roaming.model.identifiers import PartyId
from tests.kit.hub_in_process import hub_in_process


async def test_statements_and_invoices_are_made_off_the_loop(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, threading.Thread] = {}

    def noting(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **named: Any) -> Any:
            threads[name] = threading.current_thread()
            return work(*arguments, **named)

        return noted

    monkeypatch.setattr(settling, "state", noting("state", statement.state))
    monkeypatch.setattr(issuing, "invoices_of", noting("invoices_of", making.invoices_of))
    pair = pair_of(PartyId("NL", "HUB"), PartyId("DE", "HME"))
    async with hub_in_process(sqlite_url, tmp_path) as hub:
        await settling.close(hub.services, pair, "2026-01")
        assert (await issuing.issue(hub.services, pair, "2026-01")).invoices == []
    assert threads.keys() == {"state", "invoices_of"}
    assert threading.current_thread() not in threads.values()
