"""Stations that need no socket: for demos and tests."""
