"""What in a change of schemas would break readers. Pure: two sets of schemas in, sentences out.

A reader here is anybody who runs the release before, or reads what the release before has written: topics keep
messages for days, compacted ones for ever.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.json_schema import Schema

_WITHOUT_MEANING = frozenset({"description", "title", "default", "x-descriptions", "x-exact"})


def breaking_changes(released: Mapping[str, Schema], current: Mapping[str, Schema]) -> list[str]:
    """One sentence for each thing that breaks readers, naming the message and the field; empty when nothing does."""
    found: list[str] = []
    for name, old in sorted(released.items()):
        if name not in current:
            found.append(_missing(name, current))
            continue
        found.extend(f"{name}: {change}" for change in _changes(old, current[name]))
    return found


def _missing(name: str, current: Mapping[str, Schema]) -> str:
    message, _, version = name.partition(".v")
    versions = sorted(other.partition(".v")[2] for other in current if other.partition(".v")[0] == message)
    if not versions:
        return f"{name}: the message was removed or renamed; keep it for as long as its topic keeps messages"
    if int(versions[-1]) < int(version):
        return f"{name}: the version was lowered to {versions[-1]}; versions only rise"
    return f"{name}: replaced by version {versions[-1]}; keep version {version} beside it for a release"


def _changes(old: Schema, new: Schema) -> Iterator[str]:
    if old.get("x-topic") != new.get("x-topic"):
        yield f"moved from topic {old.get('x-topic')} to {new.get('x-topic')}"
    definitions = new["$defs"]
    for name, definition in sorted(old["$defs"].items()):
        if name not in definitions:
            # Fields that used it have changed their type, and say so themselves
            continue
        if "enum" in definition:
            yield from _changes_of_words(name, definition, definitions[name])
        else:
            yield from _changes_of_fields(name, definition, definitions[name])


def _changes_of_words(name: str, old: Schema, new: Schema) -> Iterator[str]:
    for word in sorted(set(map(str, old["enum"])) - set(map(str, new.get("enum", ())))):
        yield f"{name}.{word} was removed; messages that say it could not be read any more"


def _changes_of_fields(name: str, old: Schema, new: Schema) -> Iterator[str]:
    was, now = old.get("properties", {}), new.get("properties", {})
    was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
    for field in sorted(was.keys() - now.keys()):
        yield f"{name}.{field} was removed or renamed"
    for field in sorted(now.keys() - was.keys()):
        if field in is_required:
            yield f"{name}.{field} is new and required; give it a default"
    for field in sorted(was.keys() & now.keys()):
        before, after = _meaning(was[field]), _meaning(now[field])
        kinds = _kinds(was[field])
        if kinds and kinds.items() <= _kinds(now[field]).items():
            # A union told apart by a word may gain words, as an enum may; readers of before leave those out
            before = after
        if before != after:
            yield f"{name}.{field} changed its type from {before} to {after}"
        elif field in is_required - was_required:
            yield f"{name}.{field} became required; messages without it could not be read any more"
        elif field in was_required - is_required:
            yield f"{name}.{field} became optional; readers of the release before count on it"
        elif was[field].get("default") != now[field].get("default"):
            yield f"{name}.{field} has another default; messages without it would mean something else"


def _kinds(part: Any) -> dict[str, str]:
    """The words of a union of structs that are told apart by a word, and which struct each tells."""
    found: dict[str, str] = {}
    for inner in (part, *part.get("anyOf", ())) if isinstance(part, dict) else ():
        found |= inner.get("discriminator", {}).get("mapping", {})
    return found


def _meaning(part: Any) -> Any:
    """A type without what is only said about it."""
    if isinstance(part, dict):
        return {key: _meaning(value) for key, value in sorted(part.items()) if key not in _WITHOUT_MEANING}
    return [_meaning(value) for value in part] if isinstance(part, list) else part
