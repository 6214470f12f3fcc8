"""Settings that hold secrets do not show them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts.bus.kafka_security import KafkaSecurity
from roaming.settings import Settings, UnusableSettings

PASSWORD = "a-password-of-24-letters"


def test_the_password_at_the_brokers_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROAMING_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("ROAMING_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
    monkeypatch.setenv("ROAMING_KAFKA_USER", "hub")
    monkeypatch.setenv("ROAMING_KAFKA_PASSWORD", PASSWORD)
    settings = Settings()
    assert settings.kafka_security() == KafkaSecurity(
        protocol="SASL_SSL", mechanism="SCRAM-SHA-512", user="hub", password=PASSWORD
    )
    assert PASSWORD not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_fault_names_the_setting_and_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROAMING_KAFKA_PASSWORD", PASSWORD)
    monkeypatch.setenv("ROAMING_SECRET", "5ec7e7" * 10)
    with pytest.raises(ValidationError, match="user and password: PLAINTEXT uses none") as failure:
        Settings()
    assert PASSWORD not in str(failure.value)
    assert "5ec7e7" not in str(failure.value)


def test_a_file_that_is_missing_or_holds_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    monkeypatch.setenv("ROAMING_CONFIG", str(file))
    with pytest.raises(UnusableSettings, match="No such file"):
        Settings()
    file.write_text("prot = 8123")
    with pytest.raises(UnusableSettings, match="no such setting: prot"):
        Settings()
    file.write_text("port = 8123")
    assert Settings().port == 8123
