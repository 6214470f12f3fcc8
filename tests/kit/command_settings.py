"""Settings of a hub for commands that run in the process of a test."""

from pathlib import Path

import pytest


def set_settings(monkeypatch: pytest.MonkeyPatch, database_url: str, folder: Path, **more: str) -> None:
    """For commands that reach partners on this machine, and ``more``, by their names without ``ROAMING_``."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings = {
        "DATA_DIR": str(folder),
        "SECRET": "5e" * 32,
        "IS_HTTP_ALLOWED": "true",
        "ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    for name, value in (settings | more).items():
        monkeypatch.setenv(f"ROAMING_{name}", value)
