"""What a partner gives to all of its version reaches them as it came."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from roaming.ocpi.exact_json import has_repeated_keys, parse_json
from tests.kit.answering_partner import delivering
from tests.kit.passing import Passing, passing_hub
from tests.kit.wait import until

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
TO_HUB = "NL-HUX"


@asynccontextmanager
async def alike(url: str, folder: Path, version: str) -> AsyncIterator[Passing]:
    """Two partners of one version, with deliveries."""
    async with passing_hub(url, folder, ope=version, msp=version) as passing, delivering(passing.hub):
        yield passing


def odd(body: Any) -> str:
    """As no program of ours writes it: other spacing, unknown fields, digits and escapes that mean nothing."""
    body = {"x_first": {"n": "é/"}, **body, "last_updated": "2026-11-23T10:00:00.120Z"}
    text = json.dumps(body, indent=3)
    return text[:-1] + ', "x_numbers" : [1.500, 1e2, -0.0, 12345678901234567.10]\n}'


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["locations", "tariffs"])
async def test_a_pushed_object_is_told_and_listed_byte_for_byte(
    sqlite_url: str, tmp_path: Path, version: str, kind: str
) -> None:
    async with alike(sqlite_url, tmp_path, version) as passing:
        ope, msp = passing.ope, passing.msp
        speech: Callable[[str], Any] = ope.speech.location if kind == "locations" else ope.speech.tariff
        text = odd(speech("ES-OPE"))
        id = json.loads(text)["id"]
        path = f"{ope.speech.receiver(kind)}/ES/OPE/{id}"
        put = await ope.call("PUT", path, to=TO_HUB, content=text.encode())
        assert put.outcome == (201, 1000), put.text
        await until(lambda: msp.asked)
        assert (msp.last.method, msp.last.body.decode()) == ("PUT", text)
        listed = await msp.call("GET", msp.speech.sender(kind), to=TO_HUB)
        assert text in listed.text
        assert len(listed.data) == 1

        again = text.replace("10:00:00.120Z", "10:00:01Z")
        await ope.call("PUT", path, to=TO_HUB, content=again.encode())
        await until(lambda: len(msp.asked) == 2)
        assert msp.last.body.decode() == again


async def test_a_token_is_told_as_it_came(sqlite_url: str, tmp_path: Path) -> None:
    async with alike(sqlite_url, tmp_path, "2.2.1") as passing:
        text = odd(passing.msp.speech.token("IT-MSP"))
        path = f"/2.2.1/receiver/tokens/IT/MSP/{json.loads(text)['uid']}"
        assert (await passing.msp.call("PUT", path, to=TO_HUB, content=text.encode())).code == 1000
        await until(lambda: passing.ope.asked)
        assert passing.ope.last.body.decode() == text


async def test_what_was_mended_or_changed_is_written_anew(sqlite_url: str, tmp_path: Path) -> None:
    async with alike(sqlite_url, tmp_path, "2.2.1") as passing:
        ope, msp = passing.ope, passing.msp
        location = ope.speech.location("ES-OPE", x_unknown=1.50)
        mended = {**location, "related_locations": None}
        assert (await ope.push("PUT", "locations", "L1", to=TO_HUB, body=mended)).code == 1000
        await until(lambda: msp.asked)
        assert "related_locations" not in msp.last_body
        assert b'"x_unknown":1.5' in msp.last.body

        change = {"name": "New", "last_updated": "2026-11-23T11:00:00Z"}
        assert (await ope.push("PATCH", "locations", "L1", to=TO_HUB, body=change)).code == 1000
        await until(lambda: len(msp.asked) == 2)
        assert (msp.last_body["name"], msp.last_body["x_unknown"]) == ("New", 1.5)


async def test_no_body_says_one_thing_to_us_and_another_to_the_receiver(sqlite_url: str, tmp_path: Path) -> None:
    async with alike(sqlite_url, tmp_path, "2.2.1") as passing:
        text = json.dumps(passing.ope.speech.location("ES-OPE"))
        two_owners = '{"party_id": "VIC", ' + text[1:]
        path = "/2.2.1/receiver/locations/ES/OPE/L1"
        assert (await passing.ope.call("PUT", path, to=TO_HUB, content=two_owners.encode())).code == 1000
        await until(lambda: passing.msp.asked)
        assert b"VIC" not in passing.msp.last.body
        assert passing.msp.last_body["party_id"] == "OPE"


@pytest.mark.parametrize(
    ("text", "is_repeated"),
    [
        ('{"a": 1, "b": {"a": [{"a": "x"}, {"a": "y"}]}}', False),
        ('{"a": 1, "a": 1}', True),
        ('{"a": [{"b": 1, "\\u0062": 2}]}', True),
        ('{"a": "\\":", "b\\"" : "\\\\", "c":":"}', False),
        ('["a", "b"]', False),
    ],
)
def test_repeated_keys_are_found(text: str, is_repeated: bool) -> None:
    assert has_repeated_keys(text, parse_json(text.encode())) == is_repeated
