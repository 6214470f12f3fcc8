"""Keys and the two things done with them: digests of tokens we accept, sealing of tokens we must send."""

from dataclasses import dataclass

from contracts.station_keys import digest_station_key
from roaming.ocpi.credentials_token import digest, seal, unseal


@dataclass(frozen=True, repr=False)
class Secrets:
    """``pepper`` keys the digests, ``sealing_key`` (32 bytes) the sealed tokens. Never printed."""

    pepper: bytes
    sealing_key: bytes
    station_pepper: bytes = b""
    """Keys the digests of stations' passwords."""

    def digest(self, token: str) -> str:
        """Under which an accepted credentials token is stored."""
        return digest(token, self.pepper)

    def station_digest(self, password: str, *, network: str, station_id: str) -> str:
        """Under which the adapters know a station's password."""
        return digest_station_key(password, network=network, station_id=station_id, pepper=self.station_pepper)

    def seal(self, token: str, *, partner_id: str) -> str:
        """A partner's token as it is stored; good in that partner's row only."""
        return seal(token, self.sealing_key, bound_to=partner_id)

    def unseal(self, sealed: str, *, partner_id: str) -> str:
        """The inverse of ``seal``. Raises ``SealBroken`` when the key or the partner is another."""
        return unseal(sealed, self.sealing_key, bound_to=partner_id)
