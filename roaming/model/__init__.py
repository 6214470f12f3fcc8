"""Canonical objects: the shape of OCPI 2.3.0, frozen, without I/O. Versions are codecs at the edge."""
