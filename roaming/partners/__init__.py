"""Platforms we exchange OCPI with, the parties behind them and behind us, and who agreed with whom."""
