"""The command ``roaming``. Commands import what they need when they run, so that ``--help`` is quick."""

from roaming.cli.commands import main

__all__ = ["main"]
