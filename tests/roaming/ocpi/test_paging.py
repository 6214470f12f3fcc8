import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from roaming.ocpi.errors import InvalidParameters
from roaming.ocpi.paging import (
    Cursor,
    Page,
    is_downgrade,
    mend_next_url,
    next_url,
    page_headers,
    read_count,
    read_page,
)

AT = datetime(2026, 11, 23, 10, 0, 0, 250_000, tzinfo=UTC)
HERE = "https://cpo.example/ocpi/2.2.1/locations?offset=0"


class TestReadPage:
    def test_nothing_asked(self) -> None:
        assert read_page({}, max_limit=100) == Page(limit=100)
        assert read_page({}, max_limit=100, default_limit=50) == Page(limit=50)

    def test_everything_asked(self) -> None:
        cursor = Cursor(AT, "NL-TNM-LOC1")
        query = QueryParams(
            {
                "date_from": "2026-11-22T00:00:00Z",
                "date_to": "2026-11-23T00:00:00+02:00",
                "offset": "40",
                "limit": "20",
                "cursor": cursor.to_text(),
                "colour": "blue",
            }
        )
        assert read_page(query, max_limit=100) == Page(
            date_from=datetime(2026, 11, 22, tzinfo=UTC),
            date_to=datetime(2026, 11, 22, 22, tzinfo=UTC),
            offset=40,
            limit=20,
            cursor=cursor,
        )

    def test_limit_is_lowered_to_ours(self) -> None:
        assert read_page({"limit": "999999999999999"}, max_limit=100).limit == 100

    def test_empty_values_count_as_absent(self) -> None:
        query = dict.fromkeys(("date_from", "date_to", "offset", "limit", "cursor"), "")
        assert read_page(query, max_limit=100) == Page(limit=100)

    @pytest.mark.parametrize(
        "text", ["2026-11-23T10:00:00", "2026-11-23T10:00:00 00:00", "2026-11-23T10:00:00.000Z", "2026-11-23 10:00:00Z"]
    )
    def test_times_as_partners_write_them(self, text: str) -> None:
        assert read_page({"date_from": text}, max_limit=1).date_from == datetime(2026, 11, 23, 10, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("date_from", "None"),
            ("date_from", "yesterday"),
            ("date_from", "2026-13-01T00:00:00Z"),
            ("date_to", "0001-01-01T00:00:00+14:00"),
            ("date_to", "1e9"),
            ("offset", "-1"),
            ("offset", "1.5"),
            ("offset", "1_000"),
            ("offset", "²"),
            ("offset", "9" * 16),
            ("offset", " 1"),
            ("limit", "0"),
            ("limit", "-5"),
            ("limit", "all"),
            ("limit", "+5"),
            ("cursor", "x"),
            ("cursor", "////"),
            ("cursor", "é"),
            ("cursor", "A" * 10_000),
            ("cursor", "W10"),
            ("cursor", "WzEsMl0"),
            ("cursor", "bnVsbA"),
            ("cursor", "WyIyMDI2LTExLTIzVDEwOjAwOjAwWiIsIlx1MDAwMCJd"),
            ("cursor", "WyIyMDI2LTExLTIzVDEwOjAwOjAwWiIsIlx1ZDgwMCJd"),
        ],
    )
    def test_bad_values_are_refused_by_name(self, name: str, value: str) -> None:
        with pytest.raises(InvalidParameters, match=f"^{name} "):
            read_page({name: value}, max_limit=100)

    def test_sessions_require_date_from(self) -> None:
        with pytest.raises(InvalidParameters, match=r"^date_from is required"):
            read_page({}, max_limit=100, is_date_from_required=True)

    @given(st.dictionaries(st.sampled_from(["date_from", "date_to", "offset", "limit", "cursor"]), st.text()))
    def test_any_query_is_read_or_refused(self, query: dict[str, str]) -> None:
        try:
            page = read_page(query, max_limit=100)
        except InvalidParameters:
            return
        assert 1 <= page.limit <= 100
        assert page.offset >= 0


@given(
    at=st.datetimes(timezones=st.just(UTC)),
    key=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
)
def test_cursors_come_back_exactly(at: datetime, key: str) -> None:
    text = Cursor(at, key).to_text()
    assert Cursor.parse(text) == Cursor(at, key)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class TestPageHeaders:
    def test_last_page_has_no_link(self) -> None:
        headers = page_headers(HERE, Page(limit=50), returned=3, total=3, max_limit=100, next_cursor=None)
        assert headers == {"X-Total-Count": "3", "X-Limit": "100"}

    def test_link_keeps_all_filters(self) -> None:
        url = "https://hub.example/ocpi/tokens?date_from=2026-11-22T00%3A00%3A00Z&type=AD%20HOC&offset=10&limit=20&cursor=old"
        page = Page(offset=10, limit=20, cursor=Cursor(AT, "old"))
        headers = page_headers(url, page, returned=20, total=99, max_limit=100, next_cursor=Cursor(AT, "K 1"))
        following = next_url(headers["Link"], url)
        assert following is not None
        assert following.startswith("https://hub.example/ocpi/tokens?")
        assert headers["Link"].endswith('; rel="next"')
        query = {name: values[0] for name, values in parse_qs(urlsplit(following).query).items()}
        cursor = query.pop("cursor")
        assert query == {"date_from": "2026-11-22T00:00:00Z", "type": "AD HOC", "offset": "30", "limit": "20"}
        assert Cursor.parse(cursor) == Cursor(AT, "K 1")

    @given(
        total=st.integers(0, 300),
        limit=st.integers(1, 50),
        filters=st.dictionaries(st.text("abc", min_size=1), st.text(min_size=1), max_size=3),
    )
    def test_following_the_link_visits_everything_once(self, total: int, limit: int, filters: dict[str, str]) -> None:
        objects = [Cursor(AT + timedelta(seconds=number // 3), f"k{number:04}") for number in range(total)]
        page, seen, url = Page(limit=limit), [], "https://hub.example/ocpi/cdrs"
        while True:
            rest = [o for o in objects if page.cursor is None or (o.at, o.key) > (page.cursor.at, page.cursor.key)]
            chosen = rest[: page.limit]
            seen += chosen
            headers = page_headers(
                url,
                page,
                returned=len(chosen),
                total=total,
                max_limit=50,
                next_cursor=chosen[-1] if len(rest) > page.limit else None,
            )
            following = next_url(headers.get("Link"), url)
            if following is None:
                break
            url = following
            page = read_page(QueryParams(urlsplit(url).query), max_limit=50)
            assert page.offset == len(seen)
        assert seen == objects


class TestNextUrl:
    @pytest.mark.parametrize(
        ("link", "expected"),
        [
            (None, None),
            ("", None),
            ('<https://cpo.example/l?offset=50>; rel="next"', "https://cpo.example/l?offset=50"),
            ("<https://cpo.example/l?offset=50>; rel=next", "https://cpo.example/l?offset=50"),
            ("<https://cpo.example/l?offset=50>;rel='next'", "https://cpo.example/l?offset=50"),
            ('<https://cpo.example/l?offset=50>; REL="Next"', "https://cpo.example/l?offset=50"),
            ('<https://cpo.example/l?a=1,2;3>; title="a, b; rel=prev"; rel="next"', "https://cpo.example/l?a=1,2;3"),
            ('<https://cpo.example/p>; rel="prev", <https://cpo.example/n>; rel="next"', "https://cpo.example/n"),
            ('<https://cpo.example/n>; rel="last next"', "https://cpo.example/n"),
            ('https://cpo.example/n; rel="next"', "https://cpo.example/n"),
            ('</ocpi/2.2.1/locations?offset=50>; rel="next"', "https://cpo.example/ocpi/2.2.1/locations?offset=50"),
            ('<?offset=50>; rel="next"', "https://cpo.example/ocpi/2.2.1/locations?offset=50"),
            ('<https://cpo.example/p>; rel="prev"', None),
            ("<https://cpo.example/n>", None),
            ('<https://cpo.example/n>; rel="nextish"', None),
            ('<http://[::1>; rel="next"', None),
            ('<https://cpo.example/n; rel="next"', None),
        ],
    )
    def test_links_as_partners_write_them(self, link: str | None, expected: str | None) -> None:
        assert next_url(link, HERE) == expected

    @given(st.text('<>;,"=rel next/:[]', max_size=60) | st.text(max_size=60))
    def test_any_header_is_survived(self, link: str) -> None:
        following = next_url(link, HERE)
        if following is not None:
            mend_next_url(following, HERE)

    @pytest.mark.parametrize("piece", ["<", '"', ",", ";", "<>;", '";', "rel=", "<>;rel=next "])
    def test_a_long_header_takes_no_longer_than_its_length(self, piece: str) -> None:
        started = time.process_time()
        next_url(piece * (100_000 // len(piece)), HERE)
        assert time.process_time() - started < 20, "0.15 s by its length, minutes by the square of it"


class TestMendNextUrl:
    def test_a_sound_address_stays(self) -> None:
        assert mend_next_url("https://other.example/l?offset=5", HERE) == ("https://other.example/l?offset=5", ())

    def test_scheme_that_a_proxy_spoilt(self) -> None:
        mended = mend_next_url("http://cpo.example/l?offset=5", HERE)
        assert mended == ("https://cpo.example/l?offset=5", ("link_scheme",))
        assert mend_next_url("https://127.0.0.1:8000/l", "http://127.0.0.1:8000/l?a=1")[0] == "http://127.0.0.1:8000/l"

    def test_another_host_keeps_its_scheme(self) -> None:
        assert mend_next_url("http://other.example/l", HERE) == ("http://other.example/l", ())

    def test_enum_names_in_the_path(self) -> None:
        link = (
            "https://127.0.0.1:8000/ocpi/cpo/VersionNumber.v_2_2_1/ModuleID.locations/"
            "?date_from=None&date_to=2026-11-23T10:00:00Z&offset=50&limit=50"
        )
        mended, findings = mend_next_url(link, "http://127.0.0.1:8000/ocpi/cpo/2.2.1/locations/?limit=50")
        assert mended == (
            "http://127.0.0.1:8000/ocpi/cpo/2.2.1/locations/?date_to=2026-11-23T10:00:00Z&offset=50&limit=50"
        )
        assert findings == ("link_scheme", "link_path")


@pytest.mark.parametrize(
    ("url", "current", "expected"),
    [
        ("http://a.example/", "https://a.example/", True),
        ("ftp://a.example/", "https://a.example/", True),
        ("https://a.example/", "https://a.example/", False),
        ("http://a.example/", "http://a.example/", False),
        ("https://a.example/", "http://a.example/", False),
    ],
)
def test_leaving_https_is_seen(url: str, current: str, expected: bool) -> None:
    assert is_downgrade(url, current) is expected


@pytest.mark.parametrize(("value", "count"), [(None, None), ("12", 12), (" 12 ", 12), ("-1", None), ("many", None)])
def test_counts_are_information_only(value: str | None, count: int | None) -> None:
    assert read_count(value) == count
