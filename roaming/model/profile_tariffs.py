"""Which tariffs a session may come to by the preferences of its driver, as they were when it began."""

from collections.abc import Mapping

from roaming.model.canonical import CanonicalObject
from roaming.model.tariff import Tariff


class ProfileTariffs(CanonicalObject, frozen=True, kw_only=True):
    """``tariffs``: by profile (OCPI 2.2.1, sessions, ProfileType) the one that prices it, of those that were offered at
    the connector and held."""

    tariffs: Mapping[str, Tariff] = {}
