"""Every endpoint that the hub answers, as its modules declare them: what is made from this covers a new one too."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from roaming.app import mounted_modules
from roaming.model.version import Version
from roaming.ocpi.module import OcpiModule, Route, Services
from roaming.ocpi.server import PREFIX, route_path
from tests.openapi import API


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One method of one address in one version."""

    version: Version
    module: OcpiModule
    route: Route

    @property
    def path(self) -> str:
        """Below the public address, variables in braces."""
        return route_path(self.version, self.module, self.route).removeprefix(PREFIX)

    def __str__(self) -> str:
        return f"{self.route.method} {self.path}"


def endpoints(services: Services) -> Iterator[Endpoint]:
    """All of them, by version. What all versions share counts for each."""
    for version in services.versions:
        for module in mounted_modules(services):
            for route in module.routes if version in module.versions else ():
                if version in route.versions:
                    yield Endpoint(version, module, route)


def documented_bodies(endpoint: Endpoint) -> list[Any]:
    """The examples of its request body in the committed document of the version."""
    operation = _operations(endpoint.version).get((endpoint.route.method.lower(), _shape(endpoint.path)), {})
    media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [example["value"] for example in media.get("examples", {}).values()]


@cache
def _operations(version: Version) -> dict[tuple[str, str], Any]:
    document = json.loads((API / f"ocpi-{version}.json").read_text())
    return {
        (method, _shape(path)): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _shape(path: str) -> str:
    """2.1.1 names the variables of a shared address once."""
    return re.sub(r"\{\w+\}", "{}", path)
