"""``python -m roaming`` is ``roaming``."""

from roaming.cli.commands import main

main()
