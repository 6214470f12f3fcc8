import ipaddress
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roaming.ocpi.addresses import (
    AddressPolicy,
    check_url,
    is_on_known_host,
    join,
    resolve,
    system_resolver,
    with_query,
)
from roaming.ocpi.errors import AddressRefused
from tests.roaming.ocpi.hostile_addresses import FORBIDDEN, NAMES

STRICT = AddressPolicy(is_http_allowed=True)
DEMO = AddressPolicy.of("127.0.0.0/8", "::1/128", is_http_allowed=True)

PUBLIC = ["8.8.8.8", "193.0.6.139", "11.0.0.1", "172.15.255.255", "172.32.0.0", "100.128.0.0", "169.253.255.255"]
PUBLIC_6 = ["2001:4860:4860::8888", "2a00:1450::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]


async def resolver(host: str, _port: int) -> Iterable[str]:
    return NAMES.get(host, ["127.0.0.1"])


async def connectable(url: str) -> None:
    """All checks that stand before a connection."""
    check_url(url, STRICT)
    await resolve(urlsplit(url).hostname or "", 8080, STRICT, resolver)


class TestCheckAndResolve:
    def test_there_are_enough_forms(self) -> None:
        assert len(set(FORBIDDEN)) >= 120

    @pytest.mark.parametrize("form", FORBIDDEN)
    async def test_no_form_leads_to_an_address(self, form: str) -> None:
        with pytest.raises(AddressRefused):
            await connectable(form.replace("{port}", "8080"))

    @pytest.mark.parametrize(
        "url",
        [
            "https://cpo.example/ocpi/versions",
            "https://cpo.example:8443/ocpi/versions?tenant=1",
            "https://under_score.cpo.example/",
            "https://xn--bcher-kva.example/",
            "https://cpo.example./versions",
            "https://7.example.com1/",
            "https://8.8.8.8/versions",
            "https://[2a00:1450::1]:443/versions",
        ],
    )
    def test_ordinary_addresses_pass(self, url: str) -> None:
        check_url(url, AddressPolicy())

    def test_http_is_an_exception(self) -> None:
        check_url("http://cpo.example/", STRICT)
        with pytest.raises(AddressRefused, match="http is not allowed"):
            check_url("http://cpo.example/", AddressPolicy())

    def test_refusals_name_the_rule_not_the_secret(self) -> None:
        with pytest.raises(AddressRefused, match="user name") as caught:
            check_url("https://user:hunter2@cpo.example/", STRICT)
        assert "hunter2" not in caught.value.message

    @given(st.text(max_size=80) | st.text("htps:/@[]%.0127xf\\#?", max_size=40).map(lambda text: f"http://{text}"))
    def test_any_text_passes_or_is_refused(self, text: str) -> None:
        try:
            check_url(text, STRICT)
        except AddressRefused:
            return
        assert urlsplit(text).hostname

    async def test_a_demo_may_reach_loopback(self) -> None:
        check_url("http://127.0.0.1:8080/", DEMO)
        assert await resolve("127.0.0.1", 80, DEMO) == (ipaddress.ip_address("127.0.0.1"),)
        assert await resolve("loopback.partner.example", 80, DEMO, resolver) == (ipaddress.ip_address("127.0.0.1"),)
        with pytest.raises(AddressRefused):
            await resolve("private.partner.example", 80, DEMO, resolver)

    async def test_only_the_allowed_ones_of_several_addresses_are_used(self) -> None:
        async def mixed(_host: str, _port: int) -> Iterable[str]:
            return ["10.0.0.1", "8.8.8.8", "::1"]

        assert await resolve("mixed.example", 443, STRICT, mixed) == (ipaddress.ip_address("8.8.8.8"),)

    async def test_the_machine_resolver(self) -> None:
        assert "127.0.0.1" in await system_resolver("localhost", 80)


class TestAddressPolicy:
    @pytest.mark.parametrize("address", PUBLIC + PUBLIC_6)
    def test_public_addresses_are_allowed(self, address: str) -> None:
        assert AddressPolicy().allows(ipaddress.ip_address(address))

    @given(st.ip_addresses(v=4))
    def test_a_wrapped_address_is_judged_as_the_one_inside(self, address: ipaddress.IPv4Address) -> None:
        expected = STRICT.allows(address)
        assert STRICT.allows(ipaddress.ip_address(f"::ffff:{address}")) is expected
        assert STRICT.allows(ipaddress.ip_address(f"64:ff9b::{address}")) is expected

    @given(st.ip_addresses())
    def test_what_python_knows_to_be_special_is_forbidden(
        self, address: ipaddress.IPv4Address | ipaddress.IPv6Address
    ) -> None:
        is_wrapped = address.version == 6 and address in ipaddress.ip_network("::ffff:0:0/96")
        if not is_wrapped and (address.is_private or address.is_multicast or address.is_link_local):
            assert not STRICT.allows(address)

    def test_an_exception_counts_for_the_wrapped_form_too(self) -> None:
        assert DEMO.allows(ipaddress.ip_address("::ffff:127.0.0.1"))
        assert not DEMO.allows(ipaddress.ip_address("::ffff:10.0.0.1"))

    def test_an_address_with_a_zone_is_local_whatever_it_looks_like(self) -> None:
        assert not STRICT.allows(ipaddress.ip_address("2a00:1450::1%lo"))

    def test_a_typing_error_in_a_network_is_told(self) -> None:
        with pytest.raises(ValueError, match="has host bits set"):
            AddressPolicy.of("127.0.0.1/8")


class TestJoin:
    @pytest.mark.parametrize("endpoint", ["https://cpo.example/ocpi/locations", "https://cpo.example/ocpi/locations/"])
    def test_exactly_one_slash(self, endpoint: str) -> None:
        assert join(endpoint, "NL", "TNM", "LOC1") == "https://cpo.example/ocpi/locations/NL/TNM/LOC1"

    def test_without_parts_the_endpoint_stays(self) -> None:
        assert join("https://cpo.example/l/?a=b%20c#top") == "https://cpo.example/l/?a=b%20c"
        assert join("https://cpo.example/l", is_slash_trailing=True) == "https://cpo.example/l/"

    def test_the_query_stays_behind_the_path(self) -> None:
        assert join("https://cpo.example/l?tenant=1", "LOC1") == "https://cpo.example/l/LOC1?tenant=1"

    @pytest.mark.parametrize(
        ("part", "encoded"),
        [
            ("NL*TNM*1", "NL%2ATNM%2A1"),
            ("a/b", "a%2Fb"),
            ("a b", "a%20b"),
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("a?b#c", "a%3Fb%23c"),
            ("50%", "50%25"),
            ("é", "%C3%A9"),
            ("a.b-c_d~e", "a.b-c_d~e"),
        ],
    )
    def test_parts_are_encoded(self, part: str, encoded: str) -> None:
        assert join("https://cpo.example/l", part) == f"https://cpo.example/l/{encoded}"

    def test_an_empty_part_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="empty part"):
            join("https://cpo.example/l", "NL", "", "LOC1")

    @given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
    def test_parts_come_back_one_by_one(self, parts: list[str]) -> None:
        url = join("https://cpo.example/l?tenant=1", *parts)
        assert url.isascii()
        split = urlsplit(url)
        assert [unquote(segment) for segment in split.path.split("/")[2:]] == parts
        assert split.query == "tenant=1"


def test_query_parameters_are_added_and_encoded() -> None:
    assert with_query("https://cpo.example/l", {}) == "https://cpo.example/l"
    assert with_query("https://cpo.example/l?a=1", {"date_from": "2026-11-23T10:00:00Z", "limit": 5, "type": None}) == (
        "https://cpo.example/l?a=1&date_from=2026-11-23T10%3A00%3A00Z&limit=5"
    )


def test_hosts_of_a_partner() -> None:
    known = ["https://emsp.example/ocpi/versions", "https://api.emsp.example:8443/2.2.1"]
    assert is_on_known_host("https://EMSP.example/commands/1", known)
    assert is_on_known_host("https://api.emsp.example/commands/1", known)
    assert not is_on_known_host("https://other.example/commands/1", known)
    assert not is_on_known_host("https://emsp.example.evil.example/", known)
    assert not is_on_known_host("https://emsp.example@evil.example/", known)
    assert not is_on_known_host("http://[::1", known)
    assert not is_on_known_host("/commands/1", known)
