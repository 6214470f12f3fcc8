"""Keys and the two things done with them: digests of tokens we accept, sealing of tokens we must send."""

from dataclasses import dataclass

from roaming.ocpi.credentials_token import digest, seal, unseal


@dataclass(frozen=True, repr=False)
class Secrets:
    """``pepper`` keys the digests, ``sealing_key`` (32 bytes) the sealed tokens. Never printed."""

    pepper: bytes
    sealing_key: bytes

    def digest(self, token: str) -> str:
        """Under which an accepted credentials token is stored."""
        return digest(token, self.pepper)

    def seal(self, token: str, *, partner_id: str) -> str:
        """A partner's token as it is stored; good in that partner's row only."""
        return seal(token, self.sealing_key, bound_to=partner_id)

    def unseal(self, sealed: str, *, partner_id: str) -> str:
        """The inverse of ``seal``. Raises ``SealBroken`` when the key or the partner is another."""
        return unseal(sealed, self.sealing_key, bound_to=partner_id)
