"""Small things that locations, parties and tariffs quote."""

from roaming.model.place import (
    AdditionalGeoLocation,
    BusinessDetails,
    EnergyMix,
    EnergySource,
    EnergySourceCategory,
    EnvironmentalImpact,
    EnvironmentalImpactCategory,
    GeoLocation,
    Image,
    ImageCategory,
)
from roaming.ocpi.fields import Form
from roaming.ocpi.forms.text import DISPLAY_TEXT
from roaming.ocpi.kinds import FLAG, LINK, NUMBER, Choice, Degrees, Text, Whole
from roaming.ocpi.rules import many, maybe, one

GEO_LOCATION_230 = Form(GeoLocation, one("latitude", Degrees(90)), one("longitude", Degrees(180)))
GEO_LOCATION_211 = GEO_LOCATION_230.retype(
    latitude=Degrees(90, fewest=6, most=6), longitude=Degrees(180, fewest=6, most=6)
)

ADDITIONAL_GEO_LOCATION_230 = Form(
    AdditionalGeoLocation,
    one("latitude", Degrees(90)),
    one("longitude", Degrees(180)),
    maybe("name", DISPLAY_TEXT),
)
ADDITIONAL_GEO_LOCATION_211 = ADDITIONAL_GEO_LOCATION_230.retype(
    latitude=Degrees(90, fewest=6, most=6), longitude=Degrees(180, fewest=6, most=6)
)

IMAGE = Form(
    Image,
    one("url", LINK),
    maybe("thumbnail", LINK),
    one("category", Choice.of(ImageCategory, is_open=True)),
    one("type", Text(4)),
    maybe("width", Whole(5)),
    maybe("height", Whole(5)),
)

BUSINESS_DETAILS = Form(
    BusinessDetails,
    one("name", Text(100)),
    maybe("website", LINK),
    maybe("logo", IMAGE),
)

ENERGY_SOURCE = Form(EnergySource, one("source", Choice.of(EnergySourceCategory)), one("percentage", NUMBER))

ENVIRONMENTAL_IMPACT_230 = Form(
    EnvironmentalImpact,
    one("category", Choice.of(EnvironmentalImpactCategory, is_open=True)),
    one("amount", NUMBER),
)
ENVIRONMENTAL_IMPACT_211 = ENVIRONMENTAL_IMPACT_230.rename(category="source")

ENERGY_MIX_230 = Form(
    EnergyMix,
    one("is_green_energy", FLAG),
    many("energy_sources", ENERGY_SOURCE),
    many("environ_impact", ENVIRONMENTAL_IMPACT_230),
    maybe("supplier_name", Text(64)),
    maybe("energy_product_name", Text(64)),
)
ENERGY_MIX_211 = ENERGY_MIX_230.retype(environ_impact=ENVIRONMENTAL_IMPACT_211)
