"""What ends a command from outside, such as a database that is away, in one line that says what to do next."""

from pydantic import ValidationError

from roaming.settings import UnusableSettings
from roaming.store.errors import StoreUnavailable


def explain(error: Exception) -> str | None:
    """The line for a person; ``None`` for what is a fault of this program and needs its traceback."""
    match error:
        case StoreUnavailable():
            return f"the database does not answer ({error}): start it, or check DATABASE_URL; `roaming doctor` looks"
        case ValidationError():
            return f"settings: {_named(error)}; see deploy/settings.example.toml"
        case UnusableSettings():
            return str(error)
        case OSError(filename=str(name)):
            return f"{name}: {error.strerror}; check that it is there, may be used, and has room"
        case OSError():
            return f"{error.strerror or error}; check addresses, ports and disk, or ask `roaming doctor`"
        case _:
            return None


def _named(error: ValidationError) -> str:
    """Each wrong value by its name, without the value: it may be a secret."""
    return "; ".join(
        f"{'.'.join(str(part) for part in entry['loc']) or 'together'}: {entry['msg']}" for entry in error.errors()
    )
