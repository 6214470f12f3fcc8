import pytest

from roaming.ocpi import errors
from roaming.ocpi.errors import OcpiError, code_in_2_1_1

TABLE = [
    (errors.NotJson, 400, 2000),
    (errors.Unauthorized, 401, 2000),
    (errors.NotFound, 404, 2000),
    (errors.UnknownToken, 404, 2004),
    (errors.MethodNotAllowed, 405, 2000),
    (errors.TooSlow, 408, 2000),
    (errors.TooLarge, 413, 2000),
    (errors.HeadTooLarge, 431, 2000),
    (errors.TooManyAttempts, 429, 2000),
    (errors.LimitReached, 429, 2000),
    (errors.InvalidParameters, 200, 2001),
    (errors.AddressRefused, 200, 2001),
    (errors.NotEnoughInformation, 200, 2002),
    (errors.UnknownLocation, 200, 2003),
    (errors.ServerError, 200, 3000),
    (errors.SealBroken, 200, 3000),
    (errors.Unavailable, 503, 3000),
    (errors.UnusableApi, 200, 3001),
    (errors.UnsupportedVersion, 200, 3002),
    (errors.NoMatchingEndpoints, 200, 3003),
    (errors.HubError, 200, 4000),
    (errors.UnknownReceiver, 200, 4001),
    (errors.ForwardTimeout, 200, 4002),
    (errors.ConnectionProblem, 200, 4003),
]


@pytest.mark.parametrize(("kind", "http_status", "status_code"), TABLE)
def test_each_error_knows_its_statuses(kind: type[OcpiError], http_status: int, status_code: int) -> None:
    error = kind("country_code is missing")
    assert (error.http_status, error.status_code) == (http_status, status_code)
    assert error.message == str(error) == "country_code is missing"


def test_the_table_is_complete() -> None:
    here = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, OcpiError) and value is not OcpiError
    }
    assert here == {kind for kind, _, _ in TABLE}


def test_the_tree_in_the_docstring_names_every_error() -> None:
    for kind, http_status, status_code in TABLE:
        (line,) = [line for line in (errors.__doc__ or "").splitlines() if f"─ {kind.__name__} " in line]
        assert f"{http_status}  {status_code}" in line


def test_not_found_is_narrowed_for_one_answer_only() -> None:
    assert errors.NotFound("no such location", status_code=2003).status_code == 2003
    assert errors.NotFound("nothing here").status_code == 2000


def test_headers_that_http_wants() -> None:
    assert errors.Unauthorized("who?").headers == {"WWW-Authenticate": "Token"}
    assert errors.MethodNotAllowed("no", allowed=("GET", "PUT")).headers == {"Allow": "GET, PUT"}
    assert errors.Unavailable("later", retry_after=5).headers == {"Retry-After": "5"}
    assert errors.Unavailable("later").headers == {}
    assert errors.TooManyAttempts("slowly", retry_after=7).headers == {"Retry-After": "7"}


@pytest.mark.parametrize(
    ("code", "in_2_1_1"),
    [
        (1000, 1000),
        (2001, 2001),
        (2003, 2003),
        (2004, 2000),
        (3001, 3001),
        (4000, 3000),
        (4001, 2000),
        (4002, 3000),
        (4003, 3000),
        (4900, 3000),
    ],
)
def test_codes_that_2_1_1_lacks(code: int, in_2_1_1: int) -> None:
    assert code_in_2_1_1(code) == in_2_1_1
