"""Text for people."""

from roaming.model.canonical import CanonicalObject


class DisplayText(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 types, DisplayText."""

    language: str
    text: str
