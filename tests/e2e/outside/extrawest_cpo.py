"""A CPO made of the PyPI package extrawest-ocpi, faults and all: run by the Python of the environment that has it.

``python extrawest_cpo.py PORT OBJECTS.json TOKEN_A``: what it lists is in the file, by module. What it is given
stays in memory. Everything that is asked of it, and how it answers, is the package's.
"""

import json
import os
import sys
from pathlib import Path

PORT, OBJECTS, TOKEN_A = sys.argv[1:]
os.environ |= {"OCPI_HOST": f"127.0.0.1:{PORT}", "PROTOCOL": "http", "ENVIRONMENT": "production"}

import uvicorn  # noqa: E402
from py_ocpi import get_application  # noqa: E402
from py_ocpi.core.authentication.authenticator import Authenticator  # noqa: E402
from py_ocpi.core.enums import ModuleID, RoleEnum  # noqa: E402
from py_ocpi.modules.versions.enums import VersionNumber  # noqa: E402

TOKEN_C = "a-token-c-of-the-package"
objects = json.loads(Path(OBJECTS).read_text())
given = {}


class Keys(Authenticator):
    @classmethod
    async def get_valid_token_a(cls):
        return [TOKEN_A]

    @classmethod
    async def get_valid_token_c(cls):
        return [TOKEN_C]


class Crud:
    """The package asks, this answers from memory."""

    @classmethod
    async def list(cls, module, role, filters, *args, **kwargs):
        since, until = filters["date_from"], filters["date_to"]
        every = [
            item
            for item in objects.get(module.value, [])
            if (since is None or item["last_updated"] >= since.isoformat()[:19])
            and (until is None or item["last_updated"] < until.isoformat()[:19])
        ]
        end = filters["offset"] + filters["limit"]
        return every[filters["offset"] : end], len(every), end >= len(every)

    @classmethod
    async def get(cls, module, role, id, *args, **kwargs):
        if module == ModuleID.credentials_and_registration:
            return credentials()
        found = [*objects.get(module.value, []), *given.get(module.value, {}).values()]
        return next((item for item in found if str(item.get("id", item.get("uid"))).lower() == str(id).lower()), None)

    @classmethod
    async def create(cls, module, role, data, *args, **kwargs):
        if module == ModuleID.credentials_and_registration:
            return credentials()
        given.setdefault(module.value, {})[data.get("uid", data.get("id"))] = data
        return data

    @classmethod
    async def update(cls, module, role, data, id, *args, **kwargs):
        if module == ModuleID.credentials_and_registration:
            return credentials()
        given.setdefault(module.value, {})[id] = data
        return data

    @classmethod
    async def delete(cls, module, role, id, *args, **kwargs):
        given.get(module.value, {}).pop(id, None)

    @classmethod
    async def do(cls, module, role, action, *args, **kwargs):
        return None


def credentials():
    role = {
        "role": "CPO",
        "business_details": {"name": "Extra Charging"},
        "party_id": "CPO",
        "country_code": "FR",
    }
    return {"token": TOKEN_C, "url": f"http://127.0.0.1:{PORT}/ocpi/versions", "roles": [role]}


app = get_application(
    version_numbers=[VersionNumber.v_2_2_1],
    roles=[RoleEnum.cpo],
    crud=Crud,
    modules=[
        ModuleID.credentials_and_registration,
        ModuleID.locations,
        ModuleID.sessions,
        ModuleID.cdrs,
        ModuleID.tariffs,
        ModuleID.tokens,
    ],
    authenticator=Keys,
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="info")
