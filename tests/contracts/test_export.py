"""``python -m contracts.export --check`` passes on what is committed, and catches what would break readers."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts import export, json_schema
from contracts.compatibility import breaking_changes
from contracts.export import Files, main
from contracts.json_schema import all_schemas
from contracts.messages import MESSAGES, Message, TransactionEnded
from contracts.topics import TOPIC_OF
from contracts.vocabulary import ConnectorStatus

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A copy of what is committed, to be spoilt."""
    for folder in ("schemas", "examples", "api"):
        shutil.copytree(export.FOLDER / folder, tmp_path / folder)
    return Files(tmp_path)


def complaints(files: Files, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What ``--check`` says."""
    status = main(["--check"], files=files)
    said = capsys.readouterr().err.splitlines()
    assert status == (1 if said else 0)
    return said


def rewrite(path: Path, change: Change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def test_what_is_committed_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert complaints(Files(), capsys) == []


def test_writing_again_changes_nothing(files: Files) -> None:
    assert export.write(files) == []


def test_the_release_says_which_it_is() -> None:
    assert (Files().released / "VERSION").read_text().strip() == "0.1.0"


def at(definition: str) -> Callable[[Change], Change]:
    return lambda change: lambda schema: change(schema["$defs"][definition])


def without(field: str) -> Change:
    """As if the field had not been there yet."""

    def change(definition: dict[str, Any]) -> None:
        del definition["properties"][field]
        definition["required"] = [name for name in definition["required"] if name != field]

    return change


def renamed(old: str, new: str) -> Change:
    def change(definition: dict[str, Any]) -> None:
        definition["properties"][old] = definition["properties"].pop(new)

    return change


BREAKING: dict[str, tuple[str, Change, str]] = {
    "a field was removed": (
        "TransactionEnded.v1",
        at("TransactionEnded")(lambda old: old["properties"].update(colour={"type": "string"})),
        "TransactionEnded.colour was removed",
    ),
    "a field was renamed": (
        "TransactionEnded.v1",
        at("TransactionEnded")(renamed("stop_reason", "reason")),
        "TransactionEnded.stop_reason was removed or renamed",
    ),
    "a required field is new": (
        "TransactionEnded.v1",
        at("TransactionEnded")(without("register_wh")),
        "TransactionEnded.register_wh is new and required",
    ),
    "a field became required": (
        "TransactionEnded.v1",
        at("TransactionEnded")(lambda old: old["required"].remove("ended_at")),
        "TransactionEnded.ended_at became required",
    ),
    "a field became optional": (
        "TransactionEnded.v1",
        at("TransactionEnded")(lambda old: old["required"].append("token_uid")),
        "TransactionEnded.token_uid became optional",
    ),
    "a type changed": (
        "TransactionStarted.v1",
        at("TransactionStarted")(lambda old: old["properties"].update(connector_id={"type": "string"})),
        "TransactionStarted.connector_id changed its type",
    ),
    "a field may be null now": (
        "MeterValuesTaken.v1",
        at("MeterValuesTaken")(lambda old: old["properties"].update(connector_id={"type": "integer"})),
        "MeterValuesTaken.connector_id changed its type",
    ),
    "a type changed further inside": (
        "MeterValuesTaken.v1",
        at("MeterValue")(lambda old: old["properties"]["value"].update(type="integer")),
        "MeterValue.value changed its type",
    ),
    "a default changed": (
        "TransactionEnded.v1",
        at("TransactionEnded")(lambda old: old["properties"]["is_id_known"].update(default=False)),
        "TransactionEnded.is_id_known has another default",
    ),
    "a word was removed": (
        "ConnectorStatusChanged.v1",
        at("ConnectorStatus")(lambda old: old["enum"].append("ASLEEP")),
        "ConnectorStatus.ASLEEP was removed",
    ),
    "a message moved to another topic": (
        "CdrIssued.v1",
        lambda old: old.update({"x-topic": "roaming.cdrs"}),
        "CdrIssued.v1: moved from topic roaming.cdrs to roaming.changes",
    ),
    "a field of the envelope was removed": (
        "Envelope",
        at("Envelope")(lambda old: old["properties"].update(priority={"type": "integer"})),
        "Envelope.priority was removed",
    ),
}


@pytest.mark.parametrize("case", BREAKING)
def test_a_change_that_breaks_readers_is_refused(files: Files, capsys: pytest.CaptureFixture[str], case: str) -> None:
    name, change, expected = BREAKING[case]
    rewrite(files.released / f"{name}.json", change)
    said = complaints(files, capsys)
    assert said
    assert all(line.startswith(f"breaks readers of 0.1.0: {name}: ") for line in said)
    assert any(expected in line for line in said), said


def test_a_removed_message_is_refused(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(files.released / "CdrIssued.v1.json", files.released / "CdrForgotten.v1.json")
    assert any("CdrForgotten.v1: the message was removed" in line for line in complaints(files, capsys))


def test_a_lower_version_is_refused(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(files.released / "CdrIssued.v1.json", files.released / "CdrIssued.v2.json")
    assert any("CdrIssued.v2: the version was lowered to 1" in line for line in complaints(files, capsys))


def test_a_new_version_without_the_old_one_beside_it_is_refused() -> None:
    released = all_schemas()
    current = dict(released)
    current["CdrIssued.v2"] = current.pop("CdrIssued.v1")
    assert breaking_changes(released, current) == [
        "CdrIssued.v1: replaced by version 2; keep version 1 beside it for a release"
    ]
    assert breaking_changes(released, {**released, "CdrIssued.v2": released["CdrIssued.v1"]}) == []


HARMLESS: dict[str, tuple[str, Change]] = {
    "an optional field is new": ("TransactionEnded.v1", at("TransactionEnded")(without("reason_text"))),
    "a word is new": ("ConnectorStatusChanged.v1", at("ConnectorStatus")(lambda old: old["enum"].remove("FAULTED"))),
    "another description": (
        "TransactionEnded.v1",
        at("TransactionEnded")(lambda old: old["properties"]["register_wh"].update(description="Other words.")),
    ),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_a_change_that_readers_bear_is_allowed(files: Files, capsys: pytest.CaptureFixture[str], case: str) -> None:
    name, change = HARMLESS[case]
    rewrite(files.released / f"{name}.json", change)
    assert complaints(files, capsys) == []


def without_word(message: str, field: str, word: str) -> dict[str, Any]:
    """The schemas of today, as if a union had not had a word yet."""
    before: dict[str, Any] = json.loads(json.dumps(all_schemas()))
    part = before[f"{message}.v1"]["$defs"][message]["properties"][field]
    for inner in (part, *part["anyOf"]):
        if "discriminator" in inner:
            struct = inner["discriminator"]["mapping"].pop(word)
            inner["anyOf"].remove({"$ref": struct})
    return before


@pytest.mark.parametrize(
    ("message", "field", "word"),
    [("OperationRequested", "operation", "RESET"), ("OperationAnswered", "told", "RAW_TOLD")],
)
def test_a_union_may_gain_words_and_lose_none(message: str, field: str, word: str) -> None:
    before = without_word(message, field, word)
    assert breaking_changes(before, all_schemas()) == []
    assert any(f"{message}.{field} changed its type" in said for said in breaking_changes(all_schemas(), before))


def test_it_is_the_code_that_is_compared(
    files: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Ended(Message, frozen=True, kw_only=True):
        """A transaction is over."""

        network: str
        status: ConnectorStatus

    Ended.__name__ = "TransactionEnded"
    changed = [Ended if message is TransactionEnded else message for message in MESSAGES]
    monkeypatch.setattr(json_schema, "MESSAGES", changed)
    monkeypatch.setattr(json_schema, "TOPIC_OF", {**TOPIC_OF, Ended: TOPIC_OF[TransactionEnded]})
    export.write(files)
    said = complaints(files, capsys)
    assert any("TransactionEnded.register_wh was removed" in line for line in said)
    assert any("TransactionEnded.status is new and required" in line for line in said)
    assert not any("stale" in line for line in said)


def test_nothing_released_is_no_way_around(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(files.released)
    assert any("schemas/released is empty" in line for line in complaints(files, capsys))


def test_a_stale_file_is_refused_and_mended(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    (files.schemas / "CdrIssued.v1.json").write_text("{}\n")
    (files.schemas / "TokenChanged.v1.json").unlink()
    (files.schemas / "Forgotten.v1.json").write_text("{}\n")
    rewrite(files.asyncapi, lambda document: document["info"].update(version="0.0.0"))
    said = complaints(files, capsys)
    for name in ("CdrIssued.v1.json is stale", "TokenChanged.v1.json is stale", "Forgotten.v1.json", "asyncapi.json"):
        assert any(name in line for line in said), name
    assert main([], files=files) == 0
    capsys.readouterr()
    assert complaints(files, capsys) == []


SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a word that the vocabulary does not have": (
        lambda text: text.replace(b'"DRIVER"', b'"HABIT"'),
        "cannot be read: .*reason",
    ),
    "a decimal as text": (lambda text: text.replace(b"1293075.75", b'"1293075.75"'), "register_wh"),
    "a time without an offset": (
        lambda text: text.replace(b'08:52:41Z",\n    "reg', b'08:52:41",\n    "reg'),
        "ended_at",
    ),
    "a field that the message does not have": (
        lambda text: text.replace(b'"network"', b'"colour": "red",\n    "network"'),
        "does not come out as it went in",
    ),
    "a field left out": (
        lambda text: text.replace(b',\n    "token_uid": "04A2C87D5E6180"', b""),
        "does not come out as it went in",
    ),
    "another order": (
        lambda text: text.replace(b'"network": "ladenetz",\n', b"").replace(
            b'"reason": "DRIVER"', b'"network": "ladenetz",\n    "reason": "DRIVER"'
        ),
        "does not come out as it went in",
    ),
    "other white space": (lambda text: text + b"\n", "does not come out as it went in"),
    "another message": (lambda text: text.replace(b'"TransactionEnded"', b'"CdrIssued"'), "cannot be read"),
    "no JSON": (lambda text: text[:-10], "cannot be read"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_an_example_that_does_not_fit_is_refused(files: Files, capsys: pytest.CaptureFixture[str], case: str) -> None:
    spoil, expected = SPOILT[case]
    path = files.examples / "TransactionEnded.v1.json"
    before = path.read_bytes()
    path.write_bytes(spoil(before))
    assert path.read_bytes() != before, "the case must change something"
    problems = export._examples_that_do_not_fit(files)
    assert len(problems) == 1
    assert re.search(expected, problems[0], re.DOTALL), problems
    assert problems[0].startswith("examples/TransactionEnded.v1.json ")


def test_every_message_needs_its_example(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    (files.examples / "CdrIssued.v1.json").unlink()
    (files.examples / "Unheard.v1.json").write_text("{}")
    said = complaints(files, capsys)
    assert any("examples/CdrIssued.v1.json is missing" in line for line in said)
    assert any("examples/Unheard.v1.json belongs to no message" in line for line in said)


def test_a_release_freezes_the_schemas_of_today(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(files.released)
    assert main(["--release"], files=files) == 0
    capsys.readouterr()
    assert complaints(files, capsys) == []
    assert {path.stem for path in files.released.glob("*.json")} == set(all_schemas())


def test_schemas_say_what_is_on_the_wire() -> None:
    schemas = all_schemas()
    ended = schemas["TransactionEnded.v1"]["$defs"]["TransactionEnded"]["properties"]
    assert ended["register_wh"]["type"] == "number"
    assert ended["register_start_wh"]["anyOf"][0] == {"type": "number"}
    assert ended["ended_at"]["format"] == "date-time"
    assert ended["register_wh"]["description"] == "Import register at the end, in Wh."
    reason = schemas["TransactionEnded.v1"]["$defs"]["StopReason"]
    assert reason["x-descriptions"]["RULE"].startswith("Closed by a rule of ours")


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = json.loads(Files().asyncapi.read_text())

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for value in part.values() for found in references(value)]
        return [found for value in part for found in references(value)] if isinstance(part, list) else []

    found = references(document)
    assert len(found) > 2 * len(MESSAGES)
    for reference in found:
        if reference.startswith("#/"):
            target = document
            for step in reference[2:].split("/"):
                target = target[step]
        else:
            assert (Files().asyncapi.parent / reference).resolve().is_file(), reference
