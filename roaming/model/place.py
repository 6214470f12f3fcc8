"""Small things that locations, parties and tariffs quote."""

from decimal import Decimal
from enum import StrEnum

from roaming.model.canonical import CanonicalObject
from roaming.model.text import DisplayText


class ImageCategory(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    CHARGER = "CHARGER"
    ENTRANCE = "ENTRANCE"
    LOCATION = "LOCATION"
    NETWORK = "NETWORK"
    OPERATOR = "OPERATOR"
    OTHER = "OTHER"
    OWNER = "OWNER"


class EnergySourceCategory(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    NUCLEAR = "NUCLEAR"
    GENERAL_FOSSIL = "GENERAL_FOSSIL"
    COAL = "COAL"
    GAS = "GAS"
    GENERAL_GREEN = "GENERAL_GREEN"
    SOLAR = "SOLAR"
    WIND = "WIND"
    WATER = "WATER"


class EnvironmentalImpactCategory(StrEnum):
    """Known values; a partner may send others, which are kept as text."""

    NUCLEAR_WASTE = "NUCLEAR_WASTE"
    CARBON_DIOXIDE = "CARBON_DIOXIDE"


class GeoLocation(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, GeoLocation."""

    latitude: str
    """Degrees as text, WGS 84, such as 51.047599."""
    longitude: str


class AdditionalGeoLocation(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, AdditionalGeoLocation."""

    latitude: str
    longitude: str
    name: DisplayText | None = None


class Image(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, Image."""

    url: str
    category: str
    type: str
    thumbnail: str | None = None
    width: int | None = None
    height: int | None = None


class BusinessDetails(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, BusinessDetails."""

    name: str
    website: str | None = None
    logo: Image | None = None


class EnergySource(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, EnergySource."""

    source: str
    percentage: Decimal
    """0 to 100."""


class EnvironmentalImpact(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, EnvironmentalImpact."""

    category: str
    amount: Decimal
    """Gram per kWh."""


class EnergyMix(CanonicalObject, frozen=True, kw_only=True):
    """OCPI 2.3.0 locations, EnergyMix."""

    is_green_energy: bool
    energy_sources: tuple[EnergySource, ...] = ()
    environ_impact: tuple[EnvironmentalImpact, ...] = ()
    supplier_name: str | None = None
    energy_product_name: str | None = None
