"""Tariffs in OCPI 2.1.1: no tax, no validity, no limits, no reservations."""

from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.tariff import TARIFF_211

CODEC = Codec(Version.V2_1_1, TARIFF_211)
