"""What can go wrong in OCPI, as one tree; each error knows its OCPI status code and its HTTP status.

Knows nothing of bodies or frameworks. (OCPI 2.2.1, transport_and_format 4.1.7 and status_codes)::

    OcpiError
    ├── NotJson                 400  2000   body is not JSON, or the whole is no HTTP
    ├── Unauthorized            401  2000   no credentials token, or one that does not work here
    ├── NotFound                404  2000   no such address or object, or not the caller's to see
    │   └── UnknownToken        404  2004
    ├── MethodNotAllowed        405  2000
    ├── TooSlow                 408  2000   the request did not arrive in time
    ├── TooLarge                413  2000   request body over our limit
    ├── TooManyAttempts         429  2000   guessing of credentials tokens is slowed down
    │   └── LimitReached        429  2000   a party asks for more in a minute than the hub takes
    ├── HeadTooLarge            431  2000   address and headers over our limit
    ├── InvalidParameters       200  2001
    │   └── AddressRefused      200  2001   a URL we will not call
    ├── NotEnoughInformation    200  2002
    ├── UnknownLocation         200  2003
    ├── ServerError             200  3000
    │   ├── Unavailable         503  3000   we cannot work now, nothing was saved
    │   └── SealBroken          200  3000   a stored secret cannot be opened with our key
    ├── UnusableApi             200  3001
    ├── UnsupportedVersion      200  3002
    ├── NoMatchingEndpoints     200  3003
    └── HubError                200  4000
        ├── UnknownReceiver     200  4001
        ├── ForwardTimeout      200  4002
        └── ConnectionProblem   200  4003
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

SUCCESS = 1000


class OcpiError(Exception):
    """Parent of all. ``message`` is sent to the partner: it names the field and what to do, and never holds a
    secret or tells of another party's objects."""

    status_code: int = 2000
    """OCPI status code, four digits."""
    http_status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    """HTTP headers that belong to an answer with this status."""

    def __init__(self, message: str, *, status_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if status_code is not None:
            self.status_code = status_code


class NotJson(OcpiError):
    http_status = 400


class Unauthorized(OcpiError):
    http_status = 401
    headers = MappingProxyType({"WWW-Authenticate": "Token"})


class NotFound(OcpiError):
    """``status_code`` may be narrowed: 2001 (unknown session, missing capability), 2003 (unknown location)."""

    http_status = 404


class UnknownToken(NotFound):
    status_code = 2004


class MethodNotAllowed(OcpiError):
    http_status = 405

    def __init__(self, message: str, *, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.headers = MappingProxyType({"Allow": ", ".join(allowed)})


class TooSlow(OcpiError):
    http_status = 408


class TooLarge(OcpiError):
    http_status = 413


class HeadTooLarge(OcpiError):
    http_status = 431


class TooManyAttempts(OcpiError):
    """Counted per address; an honest partner behind another address notices nothing. ``retry_after``: seconds after
    which to try again."""

    http_status = 429

    def __init__(self, message: str, *, retry_after: int = 60) -> None:
        super().__init__(message)
        self.headers = MappingProxyType({"Retry-After": str(retry_after)})


class LimitReached(TooManyAttempts):
    """Counted per party; the others of its partner go on."""


class InvalidParameters(OcpiError):
    status_code = 2001


class AddressRefused(InvalidParameters):
    """A URL that the address policy forbids; the text says which rule."""


class NotEnoughInformation(OcpiError):
    status_code = 2002


class UnknownLocation(OcpiError):
    status_code = 2003


class ServerError(OcpiError):
    status_code = 3000


class Unavailable(ServerError):
    """The answer to the partner still has an envelope. ``retry_after``: seconds after which to try again."""

    http_status = 503

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        if retry_after is not None:
            self.headers = MappingProxyType({"Retry-After": str(retry_after)})


class SealBroken(ServerError, ValueError):
    """Another key, or a changed text."""


class UnusableApi(OcpiError):
    status_code = 3001


class UnsupportedVersion(OcpiError):
    status_code = 3002


class NoMatchingEndpoints(OcpiError):
    status_code = 3003


class HubError(OcpiError):
    status_code = 4000


class UnknownReceiver(HubError):
    status_code = 4001


class ForwardTimeout(HubError):
    status_code = 4002


class ConnectionProblem(HubError):
    status_code = 4003


def code_in_2_1_1(status_code: int) -> int:
    """The code that says it in OCPI 2.1.1, which has neither 2004 nor 4xxx (2.1.1, status_codes).

    >>> code_in_2_1_1(2004), code_in_2_1_1(4001), code_in_2_1_1(4003), code_in_2_1_1(2003)
    (2000, 2000, 3000, 2003)
    """
    if status_code in (2004, 4001):
        return 2000
    if 4000 <= status_code <= 4999:
        return 3000
    return status_code
