"""The committed OpenAPI documents fit the routes, the tables and the golden files, and say of every body what it is."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from roaming.app import find_modules
from roaming.model.version import Version
from roaming.ocpi.module import module_path
from tests import openapi


@pytest.fixture(scope="module")
def documents() -> dict[Version, dict[str, Any]]:
    return {version: json.loads((openapi.API / f"ocpi-{version}.json").read_text()) for version in Version}


def media(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body with its examples, and where it stands."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method.upper()} {path}"
            bodies = {"body": operation.get("requestBody"), **operation["responses"]}
            for name, body in bodies.items():
                if body and "content" in body:
                    yield f"{where} {name}", body["content"]["application/json"]


def test_what_is_committed_is_what_the_routes_say() -> None:
    assert openapi.stale() == []


@pytest.mark.parametrize("version", Version)
def test_every_route_stands_in_the_document_of_its_version(
    version: Version, documents: dict[Version, dict[str, Any]]
) -> None:
    def shape(path: str) -> str:
        return re.sub(r"\{\w+\}", "{}", path)

    said = {(method.upper(), shape(path)) for path, entry in documents[version]["paths"].items() for method in entry}
    routed = {
        (
            route.method,
            shape(
                ("" if module.id == "versions" else module_path(version, module, route.interface))
                + route.path.replace("{ocpi_version}", version)
            ),
        )
        for module in find_modules()
        if version in module.versions
        for route in module.routes
        if version in route.versions
    }
    assert said == routed


@pytest.mark.parametrize("version", Version)
def test_every_body_has_an_example_that_fits_its_schema(
    version: Version, documents: dict[Version, dict[str, Any]]
) -> None:
    document = documents[version]
    for where, entry in media(document):
        schema = entry["schema"] | {"components": document["components"]}
        validator = jsonschema_rs.validator_for(schema, validate_formats=True)
        assert entry["examples"], f"{where} has no example: add a golden file of its object"
        for name, example in entry["examples"].items():
            faults = [f"{fault.instance_path}: {fault.message}" for fault in validator.iter_errors(example["value"])]
            assert faults == [], f"{where}, example {name}"


def test_operation_ids_are_unique_and_references_lead_somewhere(documents: dict[Version, dict[str, Any]]) -> None:
    for document in documents.values():
        ids = [operation["operationId"] for entry in document["paths"].values() for operation in entry.values()]
        assert len(ids) == len(set(ids))
        for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
            place: Any = document
            for step in reference.split("/"):
                place = place[step]
