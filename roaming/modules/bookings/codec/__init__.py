"""Codecs of bookings, which OCPI 2.3.0 alone has."""
