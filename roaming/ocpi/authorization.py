"""From a credentials token to the partner behind it, and which parties it may speak for."""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from roaming.model.identifiers import PartyId, fold
from roaming.ocpi.credentials_token import candidates
from roaming.ocpi.errors import InvalidParameters, TooManyAttempts, Unauthorized
from roaming.ocpi.headers import RoutingHeaders
from roaming.ocpi.module import Beside, OcpiRequest, Services
from roaming.partners.directory import Directory, Partner
from roaming.partners.registry import retire_registration
from roaming.store.reader import Row

_FIND = (
    "SELECT t.partner_id, t.is_registration, t.digest,"
    " (SELECT revision FROM directory_state WHERE id = 1),"
    " EXISTS (SELECT 1 FROM credentials_tokens a"
    "  WHERE a.partner_id = t.partner_id AND a.is_registration AND a.valid_until IS NOT NULL){columns}"
    " FROM credentials_tokens t{beside}"
    " WHERE t.digest IN ($1, $2) AND (t.valid_until IS NULL OR t.valid_until > $3)"
)
_PARAMETER = re.compile(r"\$(\d+)")
_PARAMETERS, _COLUMNS = 3, 5
"""How many of each the statement has before those of ``Beside``."""
MAX_FAILURES = 10
WINDOW_SECONDS = 60.0
MAX_ADDRESSES = 10_000


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who is calling."""

    partner: Partner
    directory: Directory
    is_registration: bool
    token: str
    beside: Sequence[Row] = ()
    """What was read in the same statement."""


class FailureLimit:
    """Counts failed authentications per address over a minute."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raises ``TooManyAttempts`` when ``address`` has used up its guesses."""
        recent = self._recent(address)
        if len(recent) >= MAX_FAILURES:
            # The oldest of the last MAX_FAILURES has to be forgotten before another guess is free
            wait = math.ceil(recent[-MAX_FAILURES] + WINDOW_SECONDS - time.monotonic())
            text = f"too many failed authentications from this address: wait {max(wait, 1)} s"
            raise TooManyAttempts(text, retry_after=max(wait, 1))

    def count(self, address: str) -> None:
        """One more failure."""
        recent = self._recent(address)
        recent.append(time.monotonic())
        self._failures[address] = recent
        self._failures.move_to_end(address)
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        since = time.monotonic() - WINDOW_SECONDS
        return [at for at in self._failures.get(address, ()) if at > since]


async def authenticate(
    services: Services, header: str | None, beside: Beside | None = None, values: Sequence[str] = ()
) -> Caller:
    """Looks the token up by its keyed digest, and reads ``beside`` for ``values`` where the token is good. Raises
    ``Unauthorized``, the same for every wrong token."""
    tokens = {services.secrets.digest(token): token for token in candidates(header)[:2]}
    digests = list(tokens)
    sql = _statement(beside)
    rows = await services.database.reader.fetch(sql, digests[0], digests[-1], services.clock.now(), *values)
    partner_ids = {row[0] for row in rows}
    if len(partner_ids) != 1:
        raise Unauthorized("unknown credentials token: check that it is the one this hub issued to you")
    partner_id, is_registration, digest, revision, has_used_registration = rows[0][:_COLUMNS]
    if has_used_registration and not is_registration:
        await _end_registration(services, partner_id)
    directory = await services.directory.current(known_revision=revision or 0)
    partner = directory.partners.get(partner_id)
    if partner is None:
        raise Unauthorized("unknown credentials token: check that it is the one this hub issued to you")
    return Caller(
        partner=partner,
        directory=directory,
        is_registration=bool(is_registration),
        token=tokens[digest],
        beside=[row[_COLUMNS:] for row in rows if row[_COLUMNS] is not None] if beside is not None else (),
    )


@cache
def _statement(beside: Beside | None) -> str:
    if beside is None:
        return _FIND.format(columns="", beside="")
    sql = _PARAMETER.sub(lambda found: f"${int(found[1]) + _PARAMETERS}", beside.sql)
    return _FIND.format(columns=", b.*", beside=f" LEFT JOIN ({sql}) b ON TRUE")


async def _end_registration(services: Services, partner_id: str) -> None:
    """The partner uses its working token, so the answer to its registration arrived: TOKEN_A is void from now on."""
    async with services.database.work() as work:
        await retire_registration(work, partner_id)


def check_sender(caller: Caller, routing: RoutingHeaders) -> None:
    """Whether the caller may speak as ``from``. Raises ``InvalidParameters`` (OCPI 2.2.1 section 4.1.3)."""
    sender = routing.from_party
    if sender is not None and sender not in caller.partner.parties():
        raise InvalidParameters(f"OCPI-from: {sender} is not a party of your credentials; announce it with PUT first")


def check_not_to_all(request: OcpiRequest) -> None:
    """Sessions and CDRs are one eMSP's: what is addressed to the hub as a whole would be for everybody. Raises
    ``InvalidParameters``."""
    if request.routing.to_party is not None and request.routing.to_party == request.services.hub_party:
        raise InvalidParameters("OCPI-to: this is for the eMSP of the driver alone: name it, or leave OCPI-to out")


def check_owner(caller: Partner, country_code: str, party_id: str, role: str) -> PartyId:
    """The party of an address, which must be one of the caller's in ``role``.

    Raises ``InvalidParameters``. The text is the same whether the party exists or not.
    """
    party = party_of_address(country_code, party_id)
    if party not in caller.parties(role):
        raise InvalidParameters(f"{party} is not a party in role {role} of your credentials")
    return party


def party_of_address(country_code: str, party_id: str) -> PartyId:
    """The party that two segments of an address name. Raises ``InvalidParameters``."""
    try:
        return PartyId.parse(country_code + party_id)
    except ValueError:
        raise InvalidParameters("country_code and party_id in the address must name a party, such as NL/TNM") from None


def check_ids(value: Any, party: PartyId, **ids: str) -> None:
    """Whether an object that came in a body is the one that the address names: its owner ``party``, and ``ids`` by
    field. Raises ``InvalidParameters``."""
    for name, there in {"country_code": party.country_code, "party_id": party.party_id, **ids}.items():
        check_id(name, getattr(value, name), there)


def check_id(name: str, in_body: str, in_address: str) -> None:
    """Ids compare without case. Raises ``InvalidParameters``."""
    if fold(in_body) != fold(in_address):
        raise InvalidParameters(f"{name}: {in_body!r} in the body, {in_address!r} in the address")
