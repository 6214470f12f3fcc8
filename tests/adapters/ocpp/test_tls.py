"""Security profile 2: TLS with basic authentication."""

import ssl
from pathlib import Path

import pytest

from contracts.messages import StationConnected
from tests.adapters.ocpp.conftest import PASSWORD, Hub
from tests.kit.certificates import make_certificate


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    return make_certificate(tmp_path, "hub")


async def test_profile_2(hub: Hub, certificate: tuple[Path, Path]) -> None:
    await hub.start(tls_certificate=certificate[0], tls_key=certificate[1], clear_text_from=())
    assert hub.url.startswith("wss://")
    hub.fakes.accounts.change("CS-1", password=PASSWORD)
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    station = await hub.dial(password=PASSWORD, ssl=trust)
    assert (await station.boot())["status"] == "Accepted"
    assert hub.facts.of(StationConnected)[0].security_profile == 2


async def test_a_certificate_that_cannot_be_read_stops_the_start(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await hub.start(tls_certificate=tmp_path / "nowhere.pem", tls_key=tmp_path / "nowhere.key")
