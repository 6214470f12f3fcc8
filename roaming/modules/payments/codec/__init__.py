"""Codecs of payments, which OCPI 2.3.0 alone has."""
