"""``python -m roaming.cli``: the same as the command ``roaming``."""

from roaming.cli import main

if __name__ == "__main__":
    main()
