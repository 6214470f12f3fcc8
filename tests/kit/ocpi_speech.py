"""The bodies of ``ocpi_bodies`` as each OCPI version says them, written by hand: no codec of the hub is used."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.kit import ocpi_bodies
from tests.kit.ocpi_bodies import NOW

Body = dict[str, Any]
ALL = ("2.1.1", "2.2.1", "2.3.0")


@dataclass(frozen=True)
class Speech:
    """One version: its addresses and its bodies."""

    version: str

    def sender(self, module: str) -> str:
        """Where the data owner's side of a module is, below the public address."""
        return f"/{self.version}/{module}" if self.version == "2.1.1" else f"/{self.version}/sender/{module}"

    def receiver(self, module: str) -> str:
        """Where the other side of it is."""
        return f"/{self.version}/{module}" if self.version == "2.1.1" else f"/{self.version}/receiver/{module}"

    def connector(self, **changes: Any) -> Body:
        body = ocpi_bodies.connector(**changes)
        if self.version == "2.1.1":
            for name in ("voltage", "amperage"):
                body[name] = body.pop(f"max_{name}")
            if "tariff_ids" in body:
                body["tariff_id"] = body.pop("tariff_ids")[0]
        return body

    def evse(self, **changes: Any) -> Body:
        return ocpi_bodies.evse(**{"connectors": [self.connector()]} | changes)

    def location(self, party: str = "FR-CPO", **changes: Any) -> Body:
        body = ocpi_bodies.location(party, **{"evses": [self.evse()], "postal_code": "69002"} | changes)
        if self.version == "2.1.1":
            _without(body, "country_code", "party_id", "publish")
            body["type"] = "UNKNOWN"
        return body

    def tariff(self, party: str = "FR-CPO", **changes: Any) -> Body:
        body = deepcopy(ocpi_bodies.tariff(party, **changes))
        if self.version == "2.1.1":
            _without(body, "country_code", "party_id", "min_price")
            for element in body["elements"]:
                for component in element["price_components"]:
                    _without(component, "vat")
        if self.version == "2.3.0":
            body["tax_included"] = "NO"
            if "min_price" in body:
                limit = body["min_price"]
                body["min_price"] = {"before_taxes": limit["excl_vat"], "after_taxes": limit["incl_vat"]}
        return body

    def token(self, party: str = "DE-AAA", **changes: Any) -> Body:
        body = ocpi_bodies.token(party, **changes)
        if self.version == "2.1.1":
            _without(body, "country_code", "party_id")
            body["auth_id"] = body.pop("contract_id")
        return body

    def session(self, party: str = "FR-CPO", emsp: str = "DE-HME", **changes: Any) -> Body:
        body = ocpi_bodies.session(party, emsp, **changes)
        body["total_cost"] = self._price(body["total_cost"])
        if self.version == "2.1.1":
            _without(body, "country_code", "party_id", "location_id", "evse_uid", "connector_id")
            body["auth_id"] = body.pop("cdr_token")["contract_id"]
            body["location"] = self.location(party)
            for name in ("start", "end"):
                if f"{name}_date_time" in body:
                    body[f"{name}_datetime"] = body.pop(f"{name}_date_time")
        return body

    def cdr(self, party: str = "FR-CPO", emsp: str = "DE-HME", **changes: Any) -> Body:
        body = ocpi_bodies.cdr(party, emsp, **changes)
        body["total_cost"] = self._price(body["total_cost"])
        body["tariffs"] = [self.tariff(party)]
        if self.version == "2.1.1":
            _without(body, "country_code", "party_id", "session_id", "cdr_location")
            body["auth_id"] = body.pop("cdr_token")["contract_id"]
            body["location"] = self.location(party)
            body["stop_date_time"] = body.pop("end_date_time")
        return body

    def credentials(self, party: str = "DE-AAA", url: str = "https://partner.example/versions", **changes: Any) -> Body:
        body = ocpi_bodies.credentials(party, url, **changes)
        if self.version == "2.1.1":
            (role,) = body.pop("roles")
            body |= {name: role[name] for name in ("business_details", "country_code", "party_id")}
        return body

    def references(self, location_id: str = "L1", *evse_uids: str) -> Body:
        return {"location_id": location_id, "evse_uids": list(evse_uids)}

    def start_session(self, emsp: str = "DE-AAA", **changes: Any) -> Body:
        return ocpi_bodies.start_session(emsp, **{"token": self.token(emsp)} | changes)

    def reserve_now(self, emsp: str = "DE-AAA", **changes: Any) -> Body:
        reservation_id: Any = 17 if self.version == "2.1.1" else "R1"
        return ocpi_bodies.reserve_now(emsp, **{"token": self.token(emsp), "reservation_id": reservation_id} | changes)

    def commands(self) -> dict[str, Body]:
        """Every command of the version."""
        found = {
            "START_SESSION": self.start_session(),
            "RESERVE_NOW": self.reserve_now(),
            "STOP_SESSION": ocpi_bodies.stop_session(),
            "UNLOCK_CONNECTOR": ocpi_bodies.unlock_connector(),
        }
        return found if self.version == "2.1.1" else found | {"CANCEL_RESERVATION": ocpi_bodies.cancel_reservation()}

    def _price(self, price: Body) -> Any:
        if self.version == "2.1.1":
            return price["excl_vat"]
        if self.version == "2.3.0":
            said: Body = {"before_taxes": price["excl_vat"]}
            if "incl_vat" in price:
                tax = round(price["incl_vat"] - price["excl_vat"], 4)
                said["taxes"] = [{"name": "VAT", "amount": tax}]
            return said
        return price


def _without(body: Body, *names: str) -> None:
    for name in names:
        body.pop(name, None)


__all__ = ["ALL", "NOW", "Speech"]
