"""Codecs of locations, EVSEs and connectors, a file per version; the tables are in ``roaming.ocpi.forms.location``."""
