"""Golden files: what each version says of an object and what is lost, held still word by word.

``tests/golden/<module>/<version>/<case>.json`` has the object (``canonical``), what 2.1.1 leaves to the surroundings
(``encode_context``, ``decode_context``) and either the body (``wire``) with its ``losses``, or why it is not sent
(``held``). ``returns`` is what comes back of a body that lost something. A file is written by hand or by a throw-away
script and read by a person; no test writes one.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from roaming.model.location import Location
from roaming.model.token import CdrToken, Token
from roaming.model.version import Version
from roaming.ocpi.codec import Codec, DecodeContext, EncodeContext, EncodeError, dump_json, parse_json
from tests.roaming.ocpi.codecs import CODECS

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = sorted(GOLDEN.rglob("*.json"))
NAMES = [str(file.relative_to(GOLDEN)) for file in FILES]

QUOTED: dict[str, type[Any]] = {"cdr_token": CdrToken, "token": Token, "location": Location}


def context_of(golden: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        key: msgspec.convert(value, QUOTED[key]) if key in QUOTED else value
        for key, value in golden.get(name, {}).items()
    }


def read(file: Path) -> tuple[dict[str, Any], Codec[Any], Any]:
    golden = parse_json(file.read_bytes())
    module, version, _case = file.relative_to(GOLDEN).parts
    codec = CODECS[module, golden["object"], Version(version)]
    return golden, codec, msgspec.convert(golden["canonical"], codec.form.of)


def exact(body: Any) -> Any:
    """Comparable to the digit: ``4.00`` is not ``4``."""
    return dump_json(sort_keys(body))


def sort_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sort_keys(value[key]) for key in sorted(value)}
    return [sort_keys(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_an_object_is_said_as_the_golden_file_has_it(file: Path) -> None:
    golden, codec, value = read(file)
    context = EncodeContext(**context_of(golden, "encode_context"))
    if "held" in golden:
        with pytest.raises(EncodeError) as caught:
            codec.encode(value, context=context)
        assert str(caught.value) == golden["held"]
        return
    encoded = codec.encode(value, context=context)
    assert exact(encoded.body) == exact(golden["wire"])
    assert [{"path": loss.path, "reason": loss.reason} for loss in encoded.losses] == golden["losses"]


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_body_is_understood_as_the_golden_file_has_it(file: Path) -> None:
    golden, codec, value = read(file)
    if "held" in golden:
        return
    if "returns" in golden:
        assert golden["losses"], "what does not come back must be declared"
        value = msgspec.convert(golden["returns"], codec.form.of)
    decoded = codec.decode(golden["wire"], context=DecodeContext(**context_of(golden, "decode_context")))
    assert decoded.value == value


def test_every_object_has_a_golden_file_in_every_version() -> None:
    covered = {
        (parts[0], parse_json(file.read_bytes())["object"], Version(parts[1]))
        for file, parts in zip(FILES, (file.relative_to(GOLDEN).parts for file in FILES), strict=True)
    }
    assert covered == set(CODECS)
