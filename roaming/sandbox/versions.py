"""What the sandbox says differently in each OCPI version, as plain JSON. Knows no codec of the hub."""

from typing import Any

from roaming.model.identifiers import PartyId

SPOKEN = ("2.1.1", "2.2.1", "2.3.0")
Body = dict[str, Any]


def token_body(version: str, token: Body) -> Body:
    """A Token of 2.2.1 and later; 2.1.1 names its owner in the address and the contract ``auth_id``."""
    if version != "2.1.1":
        return token
    said = {name: value for name, value in token.items() if name not in ("country_code", "party_id", "contract_id")}
    return said | {"auth_id": token["contract_id"]}


def credentials_body(version: str, *, token: str, url: str, party: PartyId, name: str) -> Body:
    """Credentials of an eMSP: a list of roles, or in 2.1.1 one party without a role."""
    said = {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "business_details": {"name": name},
    }
    if version == "2.1.1":
        return {"token": token, "url": url, **said}
    return {"token": token, "url": url, "roles": [{"role": "EMSP", **said}]}


def parties_in(version: str, credentials: Body) -> list[Body]:
    """The parties of the other side. That of 2.1.1 is the CPO, since we are an eMSP."""
    if version != "2.1.1":
        return list(credentials["roles"])
    return [{"role": "CPO", **{name: credentials[name] for name in ("country_code", "party_id")}}]


def addresses_in(version: str, details: Body) -> dict[tuple[str, str], str]:
    """(module, interface role) → address. In 2.1.1 both sides of a module have the same one."""
    found: dict[tuple[str, str], str] = {}
    for entry in details["endpoints"]:
        sides = ("SENDER", "RECEIVER") if version == "2.1.1" else (entry["role"],)
        found |= {(entry["identifier"], side): entry["url"] for side in sides}
    return found


def endpoint_bodies(version: str, endpoints: list[tuple[str, str, str]]) -> list[Body]:
    """Endpoints for version details, from (module, interface role, address)."""
    if version == "2.1.1":
        return [{"identifier": module, "url": url} for module, _, url in endpoints]
    return [{"identifier": module, "role": role, "url": url} for module, role, url in endpoints]


def info_body(version: str, info: Body) -> Body:
    """An AuthorizationInfo; that of 2.1.1 does not repeat the token and has no reference."""
    if version != "2.1.1":
        return info
    return {name: value for name, value in info.items() if name not in ("token", "authorization_reference")}
