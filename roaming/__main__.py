"""``python -m roaming`` is ``roaming``."""

from roaming.cli import main

if __name__ == "__main__":
    main()
