"""Valid OCPI 2.2.1 bodies, each a fresh copy to be bent by a test. ``None`` for a field leaves it out."""

from typing import Any

NOW = "2026-11-23T10:00:00Z"


def _made(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (body | changes).items() if value is not None}


def connector(**changes: Any) -> dict[str, Any]:
    body = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "tariff_ids": ["T1"],
        "last_updated": NOW,
    }
    return _made(body, changes)


def evse(**changes: Any) -> dict[str, Any]:
    body = {
        "uid": "E1",
        "evse_id": "FR*CPO*E1",
        "status": "AVAILABLE",
        "capabilities": ["RFID_READER"],
        "connectors": [connector()],
        "floor_level": "-1",
        "last_updated": NOW,
    }
    return _made(body, changes)


def location(party: str = "FR-CPO", **changes: Any) -> dict[str, Any]:
    country_code, party_id = party.split("-")
    body = {
        "country_code": country_code,
        "party_id": party_id,
        "id": "L1",
        "publish": True,
        "name": "Quay",
        "address": "Quai 1",
        "city": "Lyon",
        "country": "FRA",
        "coordinates": {"latitude": "45.764043", "longitude": "4.835659"},
        "evses": [evse()],
        "directions": [{"language": "fr", "text": "à gauche"}],
        "operator": {"name": "CPO", "website": "https://cpo.example"},
        "time_zone": "Europe/Paris",
        "opening_times": {"twentyfourseven": True},
        "last_updated": NOW,
    }
    return _made(body, changes)


def tariff(party: str = "FR-CPO", **changes: Any) -> dict[str, Any]:
    country_code, party_id = party.split("-")
    body = {
        "country_code": country_code,
        "party_id": party_id,
        "id": "T1",
        "currency": "EUR",
        "elements": [
            {
                "price_components": [{"type": "ENERGY", "price": 0.3, "vat": 20, "step_size": 1}],
                "restrictions": {"start_time": "08:00", "end_time": "20:00", "day_of_week": ["MONDAY"]},
            }
        ],
        "min_price": {"excl_vat": 0.5, "incl_vat": 0.6},
        "last_updated": NOW,
    }
    return _made(body, changes)


def token(party: str = "DE-AAA", **changes: Any) -> dict[str, Any]:
    country_code, party_id = party.split("-")
    body = {
        "country_code": country_code,
        "party_id": party_id,
        "uid": "TOKEN1",
        "type": "RFID",
        "contract_id": f"{country_code}-{party_id}-C00000001",
        "issuer": "Issuer",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": NOW,
    }
    return _made(body, changes)


def cdr_token(party: str, uid: str = "TOKEN1") -> dict[str, Any]:
    names = ("country_code", "party_id", "uid", "type", "contract_id")
    return {name: value for name, value in token(party, uid=uid).items() if name in names}


def period(start: str = NOW, kwh: float = 1.5) -> dict[str, Any]:
    return {"start_date_time": start, "dimensions": [{"type": "ENERGY", "volume": kwh}]}


def session(party: str = "FR-CPO", emsp: str = "DE-HME", **changes: Any) -> dict[str, Any]:
    country_code, party_id = party.split("-")
    body = {
        "country_code": country_code,
        "party_id": party_id,
        "id": "S1",
        "start_date_time": NOW,
        "kwh": 1.5,
        "cdr_token": cdr_token(emsp),
        "auth_method": "WHITELIST",
        "location_id": "L1",
        "evse_uid": "E1",
        "connector_id": "1",
        "currency": "EUR",
        "charging_periods": [period()],
        "total_cost": {"excl_vat": 0.45},
        "status": "ACTIVE",
        "last_updated": NOW,
    }
    return _made(body, changes)


def cdr(party: str = "FR-CPO", emsp: str = "DE-HME", **changes: Any) -> dict[str, Any]:
    country_code, party_id = party.split("-")
    body = {
        "country_code": country_code,
        "party_id": party_id,
        "id": "C1",
        "start_date_time": "2026-11-23T09:00:00Z",
        "end_date_time": NOW,
        "session_id": "S1",
        "cdr_token": cdr_token(emsp),
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "L1",
            "address": "Quai 1",
            "city": "Lyon",
            "country": "FRA",
            "coordinates": {"latitude": "45.764043", "longitude": "4.835659"},
            "evse_uid": "E1",
            "evse_id": "FR*CPO*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "tariffs": [tariff(party)],
        "charging_periods": [period("2026-11-23T09:00:00Z")],
        "total_cost": {"excl_vat": 0.45, "incl_vat": 0.54},
        "total_energy": 1.5,
        "total_time": 1,
        "last_updated": NOW,
    }
    return _made(body, changes)


def credentials(party: str = "DE-AAA", url: str = "https://partner.example/versions", **changes: Any) -> dict[str, Any]:
    country_code, party_id = party.split("-")
    role = {
        "role": "EMSP",
        "country_code": country_code,
        "party_id": party_id,
        "business_details": {"name": "A partner"},
    }
    return _made({"token": "a-token-of-theirs-b", "url": url, "roles": [role]}, changes)


def start_session(emsp: str = "DE-AAA", **changes: Any) -> dict[str, Any]:
    body = {
        "response_url": "http://127.0.0.1:9/commands/START_SESSION/1",
        "token": token(emsp),
        "location_id": "OURS",
        "evse_uid": "OURS-1",
    }
    return _made(body, changes)


def reserve_now(emsp: str = "DE-AAA", **changes: Any) -> dict[str, Any]:
    body = {
        "response_url": "http://127.0.0.1:9/commands/RESERVE_NOW/1",
        "token": token(emsp),
        "expiry_date": "2099-01-01T00:00:00Z",
        "reservation_id": "R1",
        "location_id": "OURS",
        "evse_uid": "OURS-1",
    }
    return _made(body, changes)


def cancel_reservation(**changes: Any) -> dict[str, Any]:
    return _made({"response_url": "http://127.0.0.1:9/c/1", "reservation_id": "R1"}, changes)


def stop_session(**changes: Any) -> dict[str, Any]:
    return _made({"response_url": "http://127.0.0.1:9/c/2", "session_id": "OURS-AAA"}, changes)


def unlock_connector(**changes: Any) -> dict[str, Any]:
    body = {
        "response_url": "http://127.0.0.1:9/c/3",
        "location_id": "OURS",
        "evse_uid": "OURS-1",
        "connector_id": "1",
    }
    return _made(body, changes)
