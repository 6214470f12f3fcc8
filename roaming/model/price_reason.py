"""Why a charge is priced by its tariff, as it is kept with the session from its start. For operators alone."""

from roaming.model.canonical import CanonicalObject
from roaming.model.token import ProfileType


class PriceReason(CanonicalObject, frozen=True, kw_only=True):
    """``rule``: the number of the price rule that decided, ``None`` where none fits."""

    tariff_ids: tuple[str, ...] = ()
    """What was offered there; the tariff of the charge is the one of these that held when it began, for its profile."""
    says: str
    rule: int | None = None
    also: tuple[str, ...] = ()
    """Other price rules that fitted, and lost."""
    profile: str = ProfileType.REGULAR
    """Which the charge began with (OCPI 2.2.1, sessions, ProfileType)."""
    profile_says: str = ""
    """Where that comes from; empty where nobody said anything."""
