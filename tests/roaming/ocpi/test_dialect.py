import msgspec
import pytest

from roaming.ocpi.dialect import Dialect


@pytest.mark.parametrize(
    ("version", "header"), [("2.1.1", "Token t"), ("2.2.1", "Token dA=="), ("2.3.0", "Token dA==")]
)
def test_tokens_are_sent_as_the_version_says(version: str, header: str) -> None:
    assert Dialect.of_version(version).token_header("t") == header


def test_a_partner_that_wants_a_slash_gets_it() -> None:
    endpoint = "https://cpo.example/ocpi/tokens?tenant=1"
    assert Dialect().address(endpoint, "DE", "EMS", "A B") == "https://cpo.example/ocpi/tokens/DE/EMS/A%20B?tenant=1"
    slashed = Dialect(has_trailing_slash=True)
    assert slashed.address(endpoint, "DE", "EMS", "A") == "https://cpo.example/ocpi/tokens/DE/EMS/A/?tenant=1"
    assert slashed.address(endpoint) == "https://cpo.example/ocpi/tokens/?tenant=1"


def test_only_departures_are_stored() -> None:
    assert msgspec.json.encode(Dialect()) == b"{}"
    assert msgspec.json.decode(b'{"token_encoding":"raw"}', type=Dialect) == Dialect(token_encoding="raw")
