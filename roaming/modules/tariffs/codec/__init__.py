"""Codecs of tariffs, a file per version; the tables are in ``roaming.ocpi.forms.tariff``."""
