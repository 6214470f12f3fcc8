"""What stands where a secret stood, in records on either side: passwords, signed addresses. Pure."""

from typing import Final
from urllib.parse import urlsplit

MASK: Final = "•••"


def without_secrets(url: str) -> str:
    """An address with scheme and host alone: user, password, path and query may let anybody in.

    >>> without_secrets("https://me:secret@files.example/a?signature=1")
    'https://files.example/•••'
    """
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}/{MASK}"
    except ValueError:
        return MASK
