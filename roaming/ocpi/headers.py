"""Routing headers and request ids: reading, answering, forwarding. Knows header names, not where they lead.

(OCPI 2.2.1, transport_and_format 4.1.3 and 4.4; OCPI 2.1.1 has none of these headers.)
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roaming.model.identifiers import PartyId
from roaming.ocpi.errors import InvalidParameters

FROM_COUNTRY_CODE = "OCPI-from-country-code"
FROM_PARTY_ID = "OCPI-from-party-id"
TO_COUNTRY_CODE = "OCPI-to-country-code"
TO_PARTY_ID = "OCPI-to-party-id"

ROUTING_HEADERS = (FROM_COUNTRY_CODE, FROM_PARTY_ID, TO_COUNTRY_CODE, TO_PARTY_ID)
"""On requests and responses of functional modules; never with versions, credentials and hubclientinfo."""

REQUEST_ID = "X-Request-ID"
CORRELATION_ID = "X-Correlation-ID"

_COUNTRY_CODE = re.compile(r"[A-Za-z0-9]{2}")
_PARTY_ID = re.compile(r"[A-Za-z0-9]{3}")
_ID = re.compile(r"[!-~]{1,255}")
"""Wider than the UUID the specification advises, narrow enough for a log line and a header."""


class LoweredHeaders(dict[str, str]):
    """Headers by their names in lower case, values without spaces around them: read once, looked up often."""

    @classmethod
    def of_scope(cls, headers: Iterable[tuple[bytes, bytes]]) -> "LoweredHeaders":
        """From an ASGI scope, whose names are in lower case. Of a doubled header the first counts."""
        found = cls()
        for name, value in headers:
            found.setdefault(name.decode("latin-1"), value.decode("latin-1").strip())
        return found


@dataclass(frozen=True, slots=True)
class RoutingHeaders:
    """Who asks whom. Parties, not platforms; a response has them swapped."""

    from_party: PartyId | None = None
    to_party: PartyId | None = None

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> "RoutingHeaders":
        """From a request or an answer, whatever the case of the names.

        Raises ``InvalidParameters`` naming the header when only one of a pair is there or one is malformed.
        An empty value counts as absent.
        """
        values = _lowered(headers)
        return cls(
            _party(values, FROM_COUNTRY_CODE, FROM_PARTY_ID),
            _party(values, TO_COUNTRY_CODE, TO_PARTY_ID),
        )

    def swapped(self) -> "RoutingHeaders":
        """As the answer carries them."""
        return RoutingHeaders(self.to_party, self.from_party)

    def to_headers(self) -> dict[str, str]:
        """The pairs that are known; an unknown one is left out as a whole."""
        headers: dict[str, str] = {}
        if self.from_party is not None:
            headers[FROM_COUNTRY_CODE], headers[FROM_PARTY_ID] = self.from_party
        if self.to_party is not None:
            headers[TO_COUNTRY_CODE], headers[TO_PARTY_ID] = self.to_party
        return headers


@dataclass(frozen=True, slots=True)
class RequestIds:
    """``request_id`` is unique to one request, ``correlation_id`` to a chain of them."""

    request_id: str
    correlation_id: str

    @classmethod
    def fresh(cls, correlation_id: str | None = None) -> "RequestIds":
        """New ids (UUID version 4); ``correlation_id`` continues a chain."""
        return cls(str(uuid.uuid4()), correlation_id or str(uuid.uuid4()))

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> "RequestIds":
        """The sender's ids. A missing one, or one that is no printable ASCII of at most 255, is made here: a
        request is not refused for it."""
        values = _lowered(headers)
        return cls(*(_id_or_new(values.get(name.lower())) for name in (REQUEST_ID, CORRELATION_ID)))

    def forwarded(self) -> "RequestIds":
        """For the next hop: a new request id, the same correlation id."""
        return RequestIds.fresh(self.correlation_id)

    def to_headers(self) -> dict[str, str]:
        """For a request of ours, or as the echo in an answer."""
        return {REQUEST_ID: self.request_id, CORRELATION_ID: self.correlation_id}


def response_headers(ids: RequestIds, routing: RoutingHeaders | None = None) -> dict[str, str]:
    """What an answer carries: the echoed ids, and the request's routing headers swapped. ``routing`` is ``None``
    for configuration modules and for 2.1.1."""
    headers = ids.to_headers()
    if routing is not None:
        headers.update(routing.swapped().to_headers())
    return headers


def _lowered(headers: Mapping[str, str]) -> LoweredHeaders:
    if isinstance(headers, LoweredHeaders):
        return headers
    return LoweredHeaders({name.lower(): value.strip() for name, value in headers.items()})


def _party(values: Mapping[str, str], country_code_header: str, party_id_header: str) -> PartyId | None:
    country_code = values.get(country_code_header.lower())
    party_id = values.get(party_id_header.lower())
    if not country_code and not party_id:
        return None
    if not country_code:
        raise InvalidParameters(f"{country_code_header} is missing: it goes with {party_id_header}")
    if not party_id:
        raise InvalidParameters(f"{party_id_header} is missing: it goes with {country_code_header}")
    if not _COUNTRY_CODE.fullmatch(country_code):
        raise InvalidParameters(f"{country_code_header} must be two letters, such as NL")
    if not _PARTY_ID.fullmatch(party_id):
        raise InvalidParameters(f"{party_id_header} must be three letters or digits, such as TNM")
    return PartyId.of(country_code, party_id)


def _id_or_new(value: str | None) -> str:
    return value if value is not None and _ID.fullmatch(value) else str(uuid.uuid4())
