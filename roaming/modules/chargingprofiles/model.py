"""What this module asks, of stations and of partners."""

from enum import StrEnum


class ProfileRequest(StrEnum):
    """By the method that asks for it; the last one is a question of ours."""

    GET = "GET"
    """Which profile holds."""
    PUT = "PUT"
    """Set one."""
    DELETE = "DELETE"
    """Clear what was set."""
    CHANGED = "CHANGED"
    """Which profile holds now that it has changed: for those who set one and must hear of it."""
