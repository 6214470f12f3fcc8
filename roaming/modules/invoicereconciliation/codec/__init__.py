"""Codec of invoice reconciliation records, which OCPI 2.3.0 alone has."""
