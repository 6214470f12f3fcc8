"""Errors about which stations are meant, in words of the command line."""

from roaming.operations.selecting import NoSuchStation


def named(error: Exception) -> str:
    """With what to do next; other errors as they are."""
    match error:
        case NoSuchStation(field="network"):
            return f"{error}, with --network"
        case NoSuchStation():
            return f"{error}: see `roaming station list`"
        case _:
            return str(error)
