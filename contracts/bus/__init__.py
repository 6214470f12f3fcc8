"""The bus: a port and its two bodies."""
