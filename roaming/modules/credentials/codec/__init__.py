"""Codecs of credentials, a file per version: 2.3.0 in full, older ones as the difference."""
