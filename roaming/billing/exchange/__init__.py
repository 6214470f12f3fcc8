"""Rates of exchange: entered or imported by people, never fetched; what settles in another currency is converted by
them."""
