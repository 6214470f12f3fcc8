"""Tariffs in OCPI 2.2.1: prices never contain tax."""

from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.tariff import TARIFF_221

CODEC = Codec(Version.V2_2_1, TARIFF_221)
