"""How one partner departs from its OCPI version in transport. Payloads are the codecs' business."""

import msgspec

from roaming.ocpi.addresses import join
from roaming.ocpi.credentials_token import TokenEncoding, header_value


class Dialect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One partner's habits. Stored as JSON beside the partner; a field left out has its default."""

    token_encoding: TokenEncoding = "base64"
    has_trailing_slash: bool = False
    """The partner answers only addresses that end with a slash."""
    at_once: int = 8
    """Calls to the partner under way at once, at most."""

    @classmethod
    def of_version(cls, version: str) -> "Dialect":
        """What to assume of a partner that nothing is known of: 2.1.1 sends tokens raw, later versions Base64."""
        return cls(token_encoding="raw" if version.startswith(("2.0", "2.1")) else "base64")

    def token_header(self, token: str) -> str:
        """The Authorization header that presents our ``token`` to this partner."""
        return header_value(token, self.token_encoding)

    def address(self, endpoint: str, *parts: str) -> str:
        """The address of an object below a partner's endpoint."""
        return join(endpoint, *parts, is_slash_trailing=self.has_trailing_slash)
