"""Tariffs in OCPI 2.3.0: the canonical shape."""

from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.forms.tariff import TARIFF_230

CODEC = Codec(Version.V2_3_0, TARIFF_230)
