import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from roaming.model.identifiers import PartyId
from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.headers import ROUTING_HEADERS, LoweredHeaders, RequestIds, RoutingHeaders, response_headers

CPO = PartyId("NL", "TNM")
EMSP = PartyId("DE", "EMS")
FULL = {
    "OCPI-from-country-code": "DE",
    "OCPI-from-party-id": "EMS",
    "OCPI-to-country-code": "NL",
    "OCPI-to-party-id": "TNM",
}


def test_both_parties_from_a_plain_dict_and_from_starlette() -> None:
    expected = RoutingHeaders(EMSP, CPO)
    assert RoutingHeaders.parse(FULL) == expected
    assert RoutingHeaders.parse(Headers(FULL)) == expected
    assert RoutingHeaders.parse({name.upper(): value.lower() for name, value in FULL.items()}) == expected


def test_of_a_doubled_header_the_first_counts() -> None:
    pairs = [(name.lower().encode(), f" {value} ".encode()) for name, value in FULL.items()]
    headers = LoweredHeaders.of_scope([*pairs, (b"ocpi-from-party-id", b"AAA")])
    assert RoutingHeaders.parse(headers) == RoutingHeaders(EMSP, CPO)


def test_none_at_all_is_allowed() -> None:
    assert RoutingHeaders.parse({}) == RoutingHeaders(None, None)
    assert RoutingHeaders.parse(dict.fromkeys(ROUTING_HEADERS, " ")) == RoutingHeaders(None, None)


def test_only_from() -> None:
    assert RoutingHeaders.parse({name: FULL[name] for name in ROUTING_HEADERS[:2]}) == RoutingHeaders(EMSP, None)


@pytest.mark.parametrize("missing", ROUTING_HEADERS)
def test_one_of_a_pair_is_refused_by_name(missing: str) -> None:
    with pytest.raises(InvalidParameters, match=f"^{missing} is missing"):
        RoutingHeaders.parse({name: value for name, value in FULL.items() if name != missing})


@pytest.mark.parametrize("name", ROUTING_HEADERS)
@pytest.mark.parametrize("value", ["N", "NLDE", "N ", "ñl", "N\tL", "*" * 200])
def test_malformed_values_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidParameters, match=name):
        RoutingHeaders.parse({**FULL, name: value})


def test_an_answer_has_them_swapped() -> None:
    routing = RoutingHeaders.parse(FULL)
    assert routing.swapped().to_headers() == {
        "OCPI-from-country-code": "NL",
        "OCPI-from-party-id": "TNM",
        "OCPI-to-country-code": "DE",
        "OCPI-to-party-id": "EMS",
    }
    ids = RequestIds("r-1", "c-1")
    assert response_headers(ids) == {"X-Request-ID": "r-1", "X-Correlation-ID": "c-1"}
    assert response_headers(ids, routing) == {
        "X-Request-ID": "r-1",
        "X-Correlation-ID": "c-1",
        **routing.swapped().to_headers(),
    }


def test_an_unknown_party_is_left_out_as_a_pair() -> None:
    assert RoutingHeaders(EMSP, None).to_headers() == {"OCPI-from-country-code": "DE", "OCPI-from-party-id": "EMS"}
    assert RoutingHeaders().to_headers() == {}


party = st.builds(
    PartyId.of,
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=3, max_size=3),
)


@given(st.builds(RoutingHeaders, st.none() | party, st.none() | party))
def test_what_is_written_is_read_back(routing: RoutingHeaders) -> None:
    assert RoutingHeaders.parse(routing.to_headers()) == routing
    assert routing.swapped().swapped() == routing


def test_ids_are_kept_and_echoed() -> None:
    ids = RequestIds.parse({"x-request-id": "R 1".replace(" ", "-"), "X-CORRELATION-ID": "C-1"})
    assert ids == RequestIds("R-1", "C-1")
    assert RequestIds.parse(ids.to_headers()) == ids


@pytest.mark.parametrize("bad", ["", "x" * 256, "a b", "a\nb", "é", "\x00"])
def test_an_unfit_id_is_replaced_not_refused(bad: str) -> None:
    ids = RequestIds.parse({"X-Request-ID": bad, "X-Correlation-ID": "C-1"})
    assert uuid.UUID(ids.request_id).version == 4
    assert ids.correlation_id == "C-1"


def test_forwarding_makes_a_new_request_id_and_keeps_the_chain() -> None:
    ids = RequestIds("R-1", "C-1")
    forwarded = ids.forwarded()
    assert forwarded.correlation_id == "C-1"
    assert uuid.UUID(forwarded.request_id).version == 4
    assert RequestIds.fresh() != RequestIds.fresh()
