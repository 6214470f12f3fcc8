"""Who may open a connection: identity, subprotocol, password or certificate, and limits on guessing. Knows no socket.

OCPP 1.6 JSON, section 3 (identity in the path, subprotocol), OCPP 1.6 security white paper, section 2, and OCPP 2.0.1
part 2, A00 (profiles 1 and 2: HTTP basic authentication, user name is the identity; 3: client certificate).
"""

import base64
import binascii
import hashlib
import ipaddress
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

import structlog

from adapters.kit.manifest import Account, Accounts
from adapters.ocpp.limits import Failures
from adapters.ocpp.transport import Admission, Handshake, Refusal, Socket
from contracts.messages.station import ShownCertificate
from contracts.station_keys import is_same_digest

BY_CERTIFICATE: Final = 3
"""The security profile of a station that shows a certificate of its own."""
LONGEST_IDENTITY: Final = 48
"""OCPP 2.0.1, section 4.1.1 of part 4; 1.6 names no limit."""
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\ud800-\udfff\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_UNAUTHORIZED: Final = Refusal(
    status=401, reason="unknown station or wrong password", headers=(("WWW-Authenticate", 'Basic realm="ocpp"'),)
)
_OTHERS_CERTIFICATE: Final = Refusal(
    status=403, reason="the client certificate is another station's: its one common name must be the station's identity"
)
_REVOKED: Final = "the client certificate was revoked: give the station another one"
_NOBODY: Final = "0" * 64

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the operator decided."""

    path: str = "/"
    strangers: Literal["hold", "refuse"] = "hold"
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    """Those that are spoken."""
    is_1_6_assumed: bool = False
    passwordless_from: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    clear_text_from: tuple[str, ...] = ("127.0.0.0/8", "::1/128")


def identity(target: str, *, path: str = "/") -> str | None:
    """The station identity in a request's target, percent-decoded once; ``None`` when there is none to be had.

    >>> identity("/ocpp/RDAM%7C123", path="/ocpp/"), identity("/..%2fetc")
    ('RDAM|123', None)
    """
    segment = identity_segment(target, path=path)
    if segment is None or "/" in segment or len(segment) > LONGEST_IDENTITY * 12:
        return None
    try:
        decoded = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        return None
    if not decoded.strip() or decoded in (".", "..") or len(decoded) > LONGEST_IDENTITY:
        return None
    return None if _FORBIDDEN.search(decoded) else decoded


def identity_segment(target: str, *, path: str = "/") -> str | None:
    """The same as it is written, still encoded and not looked at."""
    bare = re.sub(r"/{2,}", "/", target.split("?", 1)[0].split("#", 1)[0])
    prefix = path if path.endswith("/") else f"{path}/"
    return bare.removeprefix(prefix).removesuffix("/") if bare.startswith(prefix) else None


def password_of(authorization: str | None, *, station_id: str) -> str | None:
    """The password of a basic authorisation for this identity; ``None``: none, or somebody else's. Keys that are no
    UTF-8 (AuthorizationKey as raw octets) are read as Latin-1."""
    scheme, _, encoded = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    user = station_id.encode() + b":"
    if not decoded.startswith(user):
        return None
    secret = decoded.removeprefix(user)
    try:
        return secret.decode()
    except UnicodeDecodeError:
        return secret.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Networks:
    """Addresses, as CIDR blocks."""

    blocks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    @classmethod
    def of(cls, blocks: Iterable[str]) -> "Networks":
        """Raises ``ValueError`` for what is no block."""
        return cls(tuple(ipaddress.ip_network(block, strict=False) for block in blocks))

    def __contains__(self, address: str | None) -> bool:
        try:
            found = ipaddress.ip_address((address or "").split("%")[0])
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in block for block in self.blocks)


@dataclass
class Guesses:
    """Limits on wrong passwords that do not lock the real station out.

    Who failed too often from one address for one identity waits. Who comes from an address where far too many fail,
    or as an identity that is tried from everywhere, waits unless this identity was right from this address before.
    """

    pair: Failures
    address: Failures
    station: Failures
    _proven: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    @classmethod
    def usual(cls) -> "Guesses":
        """Five free tries for a pair, fifty for an address, a hundred for an identity, within ten minutes."""
        return cls(
            pair=Failures(allowed=5, window=600, longest=300),
            address=Failures(allowed=50, window=600, longest=60),
            station=Failures(allowed=100, window=600, longest=60),
        )

    def wait(self, station_id: str, address: str) -> float:
        """Seconds to wait before this may be tried; 0: now."""
        wait = self.pair.wait((station_id, address))
        if (station_id, address) in self._proven:
            return wait
        return max(wait, self.address.wait(address), self.station.wait(station_id))

    def wrong(self, station_id: str, address: str) -> None:
        """A wrong password."""
        self.address.add(address)
        self.station.add(station_id)
        if self.pair.add((station_id, address)) == 6:
            logger.warning("password guessing", station_id=station_id, address=address)

    def right(self, station_id: str, address: str) -> None:
        """The right one."""
        self.pair.clear((station_id, address))
        self._proven[station_id, address] = None
        self._proven.move_to_end((station_id, address))
        if len(self._proven) > 50_000:
            self._proven.popitem(last=False)


class Doorkeeper:
    """Decides about a handshake, without I/O."""

    def __init__(self, rules: Rules, accounts: Accounts, *, guesses: Guesses | None = None) -> None:
        """Raises ``ValueError`` when a network of ``rules`` is no CIDR block."""
        self._rules = rules
        self._accounts = accounts
        self._guesses = guesses or Guesses.usual()
        self._passwordless = Networks.of(rules.passwordless_from)
        self._clear_text = Networks.of(rules.clear_text_from)

    def identity(self, handshake: Handshake) -> str | None:
        """Who says to be there; ``None``: nobody."""
        return identity(handshake.target, path=self._rules.path)

    def segment(self, handshake: Handshake) -> str:
        """The same as it is written in the path."""
        return identity_segment(handshake.target, path=self._rules.path) or ""

    def turned_away(self, handshake: Handshake, station_id: str) -> Refusal | None:
        """What keeps out a station that somebody else lets in: nothing about who it is."""
        if handshake.origin is not None:
            return Refusal(status=403, reason="stations do not send an Origin header")
        if refusal := self._too_often(handshake, station_id):
            return refusal
        address = handshake.remote_address or ""
        if handshake.authorization is not None and not handshake.is_encrypted and address not in self._clear_text:
            return Refusal(status=403, reason="passwords are taken over wss only")
        if handshake.certificate_names not in (None, (station_id,)):
            self._guesses.wrong(station_id, address)
            return _OTHERS_CERTIFICATE
        return self._revoked(handshake, station_id)

    def unproven(self, handshake: Handshake, station_id: str) -> Refusal | None:
        """What keeps out whoever would come in elsewhere by credentials of the hub: its account has a password, and it
        does not show that."""
        account = self._accounts.find(station_id)
        if account is None or not account.is_admitted or account.key_digest is None:
            return None
        password = password_of(handshake.authorization, station_id=station_id)
        digest = None if password is None else self._accounts.digest(station_id, password)
        profile = _profile(handshake, has_password=digest is not None)
        if self._is_proven(account, digest, handshake.remote_address, profile):
            return None
        return self._refuse(station_id, handshake.remote_address or "", handshake)

    def has_proven_itself(self, handshake: Handshake, station_id: str) -> bool:
        """Whether it has shown its certificate, or the password that its account knows, with the profile that its
        account demands. A listed network proves nobody here: behind a proxy that ends TLS all have one address."""
        account = self._accounts.find(station_id)
        if account is None or not account.is_admitted or _is_revoked(account, handshake.certificate):
            return False
        password = password_of(handshake.authorization, station_id=station_id)
        digest = None if password is None else self._accounts.digest(station_id, password)
        profile = _profile(handshake, has_password=digest is not None)
        if not self._is_proven(account, digest, handshake.remote_address, profile):
            return False
        return _proven(account, profile, digest) >= max(1, account.minimum_profile)

    def was_wrong(self, handshake: Handshake, station_id: str) -> None:
        """Somebody else did not let it in."""
        self._refuse(station_id, handshake.remote_address or "", handshake)

    def passing(self, handshake: Handshake, station_id: str, *, socket: Socket, subprotocol: str | None) -> Admission:
        """The admission of a station that its operator's central system has let in. It is one of ours when its
        account says so; a password in the account must be shown all the same."""
        address = handshake.remote_address or ""
        self._guesses.right(station_id, address)
        password = password_of(handshake.authorization, station_id=station_id)
        admission = Admission(
            station_id=station_id,
            subprotocol=subprotocol,
            is_admitted=False,
            security_profile=_profile(handshake, has_password=handshake.authorization is not None),
            key_digest=None if password is None else self._accounts.digest(station_id, password),
            remote_address=handshake.remote_address,
            upstream=socket,
            certificate=handshake.certificate,
        )
        return replace(admission, is_admitted=self.is_admitted(admission))

    def decide(self, handshake: Handshake) -> Refusal | Admission:
        """Admits, holds or refuses."""
        station_id = identity(handshake.target, path=self._rules.path)
        if station_id is None:
            return Refusal(status=404, reason="no station identity in the path")
        if handshake.origin is not None:
            return Refusal(status=403, reason="stations do not send an Origin header")
        spoken = self._rules.subprotocols
        # RFC 6455, section 4.1: in the client's order of preference
        subprotocol = next((name for name in handshake.subprotocols if name in spoken), None)
        is_assumed = not handshake.subprotocols and self._rules.is_1_6_assumed
        if subprotocol is None and not is_assumed:
            return Refusal(status=400, reason=f"offer the subprotocol {' or '.join(spoken)}")
        if refusal := self._too_often(handshake, station_id):
            return refusal
        address = handshake.remote_address or ""
        password = password_of(handshake.authorization, station_id=station_id)
        if password is not None and not handshake.is_encrypted and address not in self._clear_text:
            return Refusal(status=403, reason="passwords are taken over wss only")
        if handshake.certificate_names not in (None, (station_id,)):
            self._guesses.wrong(station_id, address)
            return _OTHERS_CERTIFICATE
        return self._identify(handshake, station_id, password, subprotocol)

    def _identify(
        self, handshake: Handshake, station_id: str, password: str | None, subprotocol: str | None
    ) -> Refusal | Admission:
        account = self._accounts.find(station_id)
        digest = None if password is None else self._accounts.digest(station_id, password)
        address = handshake.remote_address or ""
        profile = _profile(handshake, has_password=digest is not None)
        if account is None or not account.is_admitted:
            # The comparison takes the same time for a stranger as for a known station.
            is_same_digest(digest or _NOBODY, _NOBODY)
            if self._rules.strangers == "refuse":
                return self._refuse(station_id, address, handshake)
            is_admitted = False
        elif refusal := self._revoked(handshake, station_id):
            return refusal
        elif self._is_proven(account, digest, address, profile):
            self._guesses.right(station_id, address)
            profile = _proven(account, profile, digest)
            if profile < account.minimum_profile:
                reason = _too_low(account, profile)
                return Refusal(status=403, reason=reason, station_id=station_id, event="SecurityProfileTooLow")
            is_admitted = True
        else:
            return self._refuse(station_id, address, handshake)
        return Admission(
            station_id=station_id,
            subprotocol=subprotocol,
            is_admitted=is_admitted,
            security_profile=profile,
            key_digest=digest,
            remote_address=handshake.remote_address,
            certificate=handshake.certificate,
        )

    def is_admitted(self, admission: Admission) -> bool:
        """Whether the account, as it is now, admits who was let in: accounts change between a handshake and the
        first frame."""
        return self.objection(admission) is None

    def objection(self, admission: Admission) -> str | None:
        """Why not, for people."""
        account = self._accounts.find(admission.station_id)
        if account is None or not account.is_admitted:
            return "no longer admitted"
        if _is_revoked(account, admission.certificate):
            return _REVOKED
        profile = admission.security_profile
        if account.key_digest is None and admission.upstream is not None:
            # Its operator's central system has let it in
            return _too_low(account, profile) if profile < account.minimum_profile else None
        if not self._is_proven(account, admission.key_digest, admission.remote_address, profile):
            return "the password has changed"
        proven = _proven(account, profile, admission.key_digest)
        return _too_low(account, proven) if proven < account.minimum_profile else None

    def is_revoked(self, admission: Admission) -> bool:
        """Whether it came with a certificate that its account, as it is now, does not take."""
        account = self._accounts.find(admission.station_id)
        return account is not None and account.is_admitted and _is_revoked(account, admission.certificate)

    def proven_profile(self, admission: Admission) -> int:
        """The security profile that it has come with, as the account is now: a station that was held may have shown a
        password that its account does not know of."""
        account = self._accounts.find(admission.station_id)
        profile = admission.security_profile
        if account is None or not account.is_admitted:
            return profile
        return _proven(account, profile, admission.key_digest)

    def _too_often(self, handshake: Handshake, station_id: str) -> Refusal | None:
        """Whoever has been wrong too often waits; the operator is told where it says to be one of ours."""
        address = handshake.remote_address or ""
        wait = self._guesses.wait(station_id, address)
        if not wait:
            return None
        account = self._accounts.find(station_id)
        return Refusal(
            status=429,
            reason="too many failed attempts",
            headers=(("Retry-After", str(math.ceil(wait))),),
            station_id=station_id if account is not None and account.is_admitted else None,
            event="PasswordGuessing",
            info=f"too many wrong passwords or certificates, now from {address or 'an unknown address'}",
        )

    def _revoked(self, handshake: Handshake, station_id: str) -> Refusal | None:
        account = self._accounts.find(station_id)
        if account is None or not account.is_admitted or not _is_revoked(account, handshake.certificate):
            return None
        self._guesses.wrong(station_id, handshake.remote_address or "")
        return Refusal(status=403, reason=_REVOKED, station_id=station_id, event="RevokedCertificate")

    def _is_proven(self, account: Account, digest: str | None, address: str | None, profile: int) -> bool:
        """Whether it showed its certificate, the digest of a presented password fits the account, or the account needs
        none there."""
        if profile == BY_CERTIFICATE:
            return True
        if account.key_digest is None and address in self._passwordless:
            return True
        return _fits(account, digest)

    def _refuse(self, station_id: str, address: str, handshake: Handshake) -> Refusal:
        # A station that shows no password guesses nothing: it may only not have been set up yet.
        if handshake.authorization is not None:
            self._guesses.wrong(station_id, address)
        return _UNAUTHORIZED


def _profile(handshake: Handshake, *, has_password: bool) -> int:
    """The security profile; a foreign certificate has been refused before."""
    if handshake.certificate_names is not None:
        return BY_CERTIFICATE
    if not has_password:
        return 0
    return 2 if handshake.is_encrypted else 1


def _is_revoked(account: Account, certificate: ShownCertificate | None) -> bool:
    return certificate is not None and certificate.fingerprint in account.revoked_certificates


def _proven(account: Account, profile: int, digest: str | None) -> int:
    """What a station that came with this profile has proven: a password that nobody compares proves nothing."""
    is_compared = account.key_digest is not None or (bool(account.next_key_digests) and _fits(account, digest))
    return profile if is_compared or profile == BY_CERTIFICATE else 0


def _fits(account: Account, digest: str | None) -> bool:
    """Whether it is that of the account's password, or of one that the station was given since. Takes the same time
    whichever it is."""
    known = [account.key_digest or _NOBODY, *account.next_key_digests]
    found = [is_same_digest(digest or _NOBODY, each) for each in known]
    return any(found) and digest is not None


def _too_low(account: Account, profile: int) -> str:
    return f"came with security profile {profile}; its account demands {account.minimum_profile} or higher"


@dataclass
class Takeovers:
    """Notices identities that keep throwing each other off: two devices with the same name and password, or one that
    is not what it says."""

    allowed: int = 5
    window: float = 600
    freeze: float = 60
    clock: Callable[[], float] = field(kw_only=True)
    _seen: OrderedDict[str, list[float]] = field(default_factory=OrderedDict)

    def note(self, station_id: str) -> bool:
        """A connection took the place of a live one; whether newcomers are turned away from now on."""
        now = self.clock()
        times = [at for at in self._seen.pop(station_id, []) if at > now - self.window]
        self._seen[station_id] = [*times, now][-self.allowed - 1 :]
        if len(self._seen) > 10_000:
            self._seen.popitem(last=False)
        is_frozen = len(times) + 1 > self.allowed
        if is_frozen:
            logger.error("connections of one station keep replacing each other", station_id=station_id)
        return is_frozen

    def wait(self, station_id: str) -> float:
        """Seconds for which a newcomer is turned away; 0: none."""
        times = self._seen.get(station_id, [])
        now = self.clock()
        if len([at for at in times if at > now - self.window]) <= self.allowed:
            return 0.0
        return max(0.0, times[-1] + self.freeze - now)


def short_hash(text: str) -> str:
    """Stands for a personal text, such as a token, in a log line."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=4).hexdigest()
