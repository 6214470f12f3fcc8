"""How pairs of parties read tariffs, out of the store: for readers who need no whole directory."""

import json
from collections.abc import Mapping
from typing import Any

from roaming.store.reader import Reader


async def agreed_readings(reader: Reader) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What pairs (CPO, eMSP), such as NL-HUB, chose of ``rating.Readings``. Raises ``StoreUnavailable``."""
    rows = await reader.fetch("SELECT cpo, emsp, readings FROM agreements WHERE readings <> '{}'")
    return {(row[0], row[1]): json.loads(row[2]) for row in rows}
