"""From the frames of a station whose meter makes no sense to a CDR that says so."""

from typing import Any

import pytest

from tests.roaming.modules.cdrs.test_signing import UID, after, cdr_of, hub, stations

__all__ = ["hub", "stations"]


@pytest.mark.parametrize(
    ("end", "kwh", "remark"),
    [
        (4000, 3, ""),
        (1_001_000, 1000, "1000 kWh in 1.00 h: a connector of"),
        (400, 0, "the register fell from 1000 to 400 Wh"),
    ],
)
async def test_energy_that_cannot_be_is_said_in_the_cdr(
    hub: Any, stations: Any, end: int, kwh: int, remark: str
) -> None:
    station = await stations.station("GOOD")
    start = {"connectorId": 1, "idTag": UID, "meterStart": 1000, "timestamp": after(0).isoformat()}
    number = (await station.call("StartTransaction", start))["transactionId"]
    stop = {"transactionId": number, "meterStop": end, "timestamp": after(60).isoformat()}
    await station.call("StopTransaction", stop)
    cdr = await cdr_of(hub, stations)
    assert cdr.total_energy == kwh
    assert remark in (cdr.remark or "")
    assert bool(remark) is any(word in (cdr.remark or "") for word in ("a connector of", "register"))
