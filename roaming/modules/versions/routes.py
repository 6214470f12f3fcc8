"""Endpoints of versions (OCPI 2.2.1, version_information_endpoint). They differ per version in one word: 2.1.1 has no
interface roles."""

from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.ocpi.codec import dump_json
from roaming.ocpi.content import Content
from roaming.ocpi.discovery import write_details, write_versions
from roaming.ocpi.module import OcpiRequest, OcpiResponse, Route, Services, dialect_of, module_path
from roaming.partners.directory import Endpoint

_OLD_2_2, _AS = "2.2", "as"
"""For partners that know no 2.2.1 by name: the same endpoints under the name of its predecessor."""


async def list_versions(request: OcpiRequest) -> OcpiResponse:
    services = request.services
    offered = {version.value: f"{services.public_url}/{version}" for version in services.versions}
    if Version.V2_2_1 in services.versions and dialect_of(request.partner).version_2_2 == "offered":
        offered[_OLD_2_2] = f"{services.public_url}/{Version.V2_2_1}?{_AS}={_OLD_2_2}"
    return OcpiResponse(data=dump_json(write_versions(offered)))


async def version_details(request: OcpiRequest) -> OcpiResponse:
    endpoints = endpoints_of(request.services, request.version)
    is_old = request.version == Version.V2_2_1 and request.query.get(_AS) == _OLD_2_2
    name = _OLD_2_2 if is_old else request.version.value
    return OcpiResponse(data=dump_json(write_details(name, request.version, endpoints)))


def endpoints_of(services: Services, version: Version) -> list[Endpoint]:
    """One entry per module and side; credentials once, as SENDER: its role is ignored on receipt (OCPI 2.2.1,
    version_information_endpoint, Endpoint)."""
    return [
        Endpoint(module=module.id, role=interface, url=services.public_url + module_path(version, module, interface))
        for module in services.modules
        if version in module.versions and module.id != "versions"
        for interface in ((InterfaceRole.SENDER,) if module.id == "credentials" else module.interfaces)
    ]


_ADDRESS = {"type": "string", "format": "uri"}
_VERSION = {"type": "string", "enum": [version.value for version in Version]}
_VERSIONS = Content(
    schema={
        "type": "array",
        "items": {
            "type": "object",
            "required": ["version", "url"],
            "properties": {"version": _VERSION, "url": _ADDRESS},
        },
    },
    example=[{"version": "2.2.1", "url": "https://hub.example/ocpi/2.2.1"}],
)
_DETAILS = Content(
    schema={
        "type": "object",
        "required": ["version", "endpoints"],
        "properties": {
            "version": _VERSION,
            "endpoints": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["identifier", "url"],
                    "properties": {
                        "identifier": {"type": "string"},
                        "role": {"enum": [role.value for role in InterfaceRole], "description": "Since 2.2."},
                        "url": _ADDRESS,
                    },
                },
            },
        },
    },
    example={
        "version": "2.2.1",
        "endpoints": [
            {"identifier": "locations", "role": "SENDER", "url": "https://hub.example/ocpi/2.2.1/sender/locations"}
        ],
    },
)

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/versions",
        interface=InterfaceRole.SENDER,
        handle=list_versions,
        summary="The OCPI versions offered",
        gives=_VERSIONS,
        is_open_to_registration=True,
    ),
    Route(
        method="GET",
        path="/{ocpi_version}",
        interface=InterfaceRole.SENDER,
        handle=version_details,
        summary="The endpoints of a version",
        gives=_DETAILS,
        is_open_to_registration=True,
    ),
)
