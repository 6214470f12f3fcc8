"""Which adapters are installed: the entry points of the group ``roaming.adapters``."""

from importlib.metadata import EntryPoint, entry_points

from adapters.kit.manifest import Adapter, KitError

GROUP = "roaming.adapters"


class UnknownAdapter(KitError):
    """No adapter of that name is installed, or what its entry point names is none."""


def adapter_names() -> tuple[str, ...]:
    """Names of the installed adapters; loads none of them."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def find_adapter(name: str) -> Adapter:
    """The adapter ``name``. Raises ``UnknownAdapter``, which lists those there are."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _load(point)
    raise UnknownAdapter(f"no adapter is called {name!r}; installed are: {', '.join(adapter_names()) or 'none'}")


def find_adapters() -> dict[str, Adapter]:
    """All installed adapters by name."""
    return {point.name: _load(point) for point in sorted(entry_points(group=GROUP))}


def _load(point: EntryPoint) -> Adapter:
    adapter = point.load()
    if not isinstance(adapter, Adapter):
        raise UnknownAdapter(f"entry point {point.name} = {point.value} is no Adapter")
    return adapter
