"""Writers: the way out of a table (``roaming.ocpi.fields``) as one straight-line function, made from its rules once.

What is alike for all objects of a table (how a kind is written, what is required, what is lost) is so found out once
and not for each field of each object. A writer says what can be said as it is; for what needs more (a value left out,
a loss, an error) it calls what is written out here and in the kinds. It knows no object and no field of its own.

Paths are for losses and errors only, which are rare: on the way down they are tuples, written out by ``at``.
"""

import linecache
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any

from roaming.model.time import written_second
from roaming.ocpi.kinds import Choice, Degrees, Id, Kind, Text, Timestamp, is_sent_as_it_is
from roaming.ocpi.rules import Assumed, Field, Joint, ListOf, Lost, Rule
from roaming.ocpi.translation import EncodeError, Writing

Path = str | tuple[Any, str, int | None]
"""Where an object stands: a prefix that ends with a dot or is empty, or the path of what it is in, the attribute, and
the place in the list that the attribute is, if it is one."""
Writer = Callable[[Any, Writing, Path], dict[str, Any]]
"""The body of an object at that path. Raises ``EncodeError``."""
Preparation = Callable[[Any, Writing, str], Any]
"""Turns an object into one that the version can say, declaring what that costs. Arguments: object, writing, prefix."""
ExtraWriter = Callable[[Mapping[str, Any], dict[str, Any], Writing, str], None]
"""Puts unknown fields into the body. Arguments: these, body, writing, prefix."""

IS_THERE = "item or (item is not None and item != ())"


def at(path: Path) -> str:
    """The prefix of what stands at ``path``.

    >>> at((("", "evses", 1), "coordinates", None))
    'evses[1].coordinates.'
    """
    if isinstance(path, str):
        return path
    above, attribute, index = path
    return f"{at(above)}{attribute}." if index is None else f"{at(above)}{attribute}[{index}]."


def writer_of(
    name: str,
    rules: Sequence[Rule],
    *,
    unsaid: Mapping[str, Any],
    writer_of_kind: Callable[[Kind], Writer | None],
    write_extra: ExtraWriter,
    prepare: Preparation | None,
) -> Writer:
    """The writer of the table ``rules`` of objects called ``name``. ``unsaid``: by attribute without a field, the value
    that says nothing; ``writer_of_kind``: the writer of a kind that is a table itself."""
    source = _Source(writer_of_kind)
    source.add(0, "def write(value, writing, path):")
    if prepare is not None:
        source.add(1, f"value = {source.name_of(prepare)}(value, writing, at(path))")
    source.add(1, "body = {}")
    for rule in rules:
        if isinstance(rule, Field):
            source.add_field(rule)
    for rule in rules:
        if isinstance(rule, Joint):
            source.add(1, f"body.update({source.name_of(rule.encode)}(value, writing, at(path)))")
    source.add_unsaid([rule for rule in rules if isinstance(rule, (Lost, Assumed))], unsaid)
    source.add(1, "if value.extra and writing.is_extra_wanted:")
    source.add(2, f"{source.name_of(write_extra)}(value.extra, body, writing, at(path))")
    source.add(1, "return body")
    return source.compiled(name)


class _Source:
    """The text of one writer, and what its names stand for."""

    def __init__(self, writer_of_kind: Callable[[Kind], Writer | None]) -> None:
        self._writer_of_kind = writer_of_kind
        self._lines: list[str] = []
        self._names: dict[str, Any] = {
            "EncodeError": EncodeError,
            "absent": absent,
            "at": at,
            "declare": declare,
            "say": say,
            "UTC": UTC,
            "written_second": written_second,
        }

    def add(self, depth: int, line: str) -> None:
        """One line."""
        self._lines.append("    " * depth + line)

    def name_of(self, value: Any) -> str:
        """A name for ``value``."""
        name = f"given_{len(self._names)}"
        self._names[name] = value
        return name

    def compiled(self, name: str) -> Writer:
        """The function. Its text is kept for tracebacks."""
        text = "\n".join(self._lines) + "\n"
        file = f"<writer of {name}, {id(self._names):x}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec"), self._names)  # noqa: S102 - made of attribute and field names of our tables
        writer: Writer = self._names["write"]
        return writer

    def add_field(self, rule: Field) -> None:
        """What is there is said; what is not, and is required, is asked for."""
        self.add(1, f"item = value.{rule.attribute}")
        self.add(1, f"if {IS_THERE}:")
        if rule.may_fail and not is_sent_as_it_is(rule.kind):
            self._add_doubtful(rule)
        else:
            self.add(2, f"body[{rule.wire!r}] = {self._said(rule.kind, 'item', rule.attribute)}")
        if rule.is_required:
            self.add(1, "else:")
            self.add(2, f"body[{rule.wire!r}] = absent({self.name_of(rule)}, value, writing, at(path))")

    def _add_doubtful(self, rule: Field) -> None:
        """A value that the version may be unable to say: tried as if it could, and left to ``say`` where it cannot."""
        said = self._said(rule.kind, "item", rule.attribute)
        otherwise = f"say({self.name_of(rule)}, item, body, writing, at(path))"
        depth = 2
        if isinstance(rule.kind, ListOf) and rule.kind.omit is not None:
            self.add(2, f"if any(map({self.name_of(rule.kind.omit)}, item)):")
            self.add(3, otherwise)
            self.add(2, "else:")
            depth = 3
        self.add(depth, "known = len(writing.losses)")
        self.add(depth, "try:")
        self.add(depth + 1, f"body[{rule.wire!r}] = {said}")
        self.add(depth, "except EncodeError:")
        self.add(depth + 1, "del writing.losses[known:]")
        self.add(depth + 1, otherwise)

    def _said(self, kind: Kind, item: str, attribute: str, *, is_entry: bool = False) -> str:
        """The expression of ``item`` on the wire; of an entry of a list, its place is called ``index``."""
        if is_sent_as_it_is(kind):
            return item
        if (writer := self._writer_of_kind(kind)) is not None:
            return f"{self.name_of(writer)}({item}, writing, (path, {attribute!r}, {'index' if is_entry else None}))"
        if isinstance(kind, ListOf) and not is_entry:
            if is_sent_as_it_is(kind.kind):
                return f"list({item})"
            entry = self._said(kind.kind, "entry", attribute, is_entry=True)
            return f"[{entry} for index, entry in enumerate({item})]"
        name = f"f'{attribute}[{{index}}]'" if is_entry else repr(attribute)
        in_general = f"{self.name_of(kind.encode)}({item}, writing, at(path), {name})"
        if isinstance(kind, Timestamp):
            return f"written_second({item}) if {item}.tzinfo is UTC and not {item}.microsecond else {in_general}"
        if (is_same := self._is_same(kind, item)) is not None:
            return f"{item} if {is_same} else {in_general}"
        return in_general

    def _is_same(self, kind: Kind, item: str) -> str | None:
        """The condition under which ``item`` goes out as it is; ``None``: only the kind knows."""
        if isinstance(kind, (Text, Id)):
            return f"len({item}) <= {kind.limit}"
        if isinstance(kind, Choice):
            return f"{item} not in {self.name_of(kind.replacements)}"
        return f"{self.name_of(kind.is_fine)}({item})" if isinstance(kind, Degrees) else None

    def add_unsaid(self, rules: Sequence[Lost | Assumed], unsaid: Mapping[str, Any]) -> None:
        """What has no field is declared, once something is there to be declared."""
        if not rules:
            return
        differs = [
            f"value.{rule.attribute} "
            + ("is not None" if unsaid[rule.attribute] is None else f"!= {self.name_of(unsaid[rule.attribute])}")
            for rule in rules
        ]
        self.add(1, f"if {' or '.join(differs)}:")
        for rule in rules:
            self.add(2, f"declare({self.name_of(rule)}, value.{rule.attribute}, writing, at(path))")


def absent(rule: Field, value: Any, writing: Writing, prefix: str) -> Any:
    """What a required field says when there is nothing to say."""
    if rule.when_absent is not None:
        return rule.when_absent(value, writing, prefix)
    what = "one entry at least is" if rule.is_list else "a value is"
    raise EncodeError(prefix + rule.attribute, f"{what} required in {writing.version}")


def say(rule: Field, item: Any, body: dict[str, Any], writing: Writing, prefix: str) -> None:
    """A field that may turn out unsayable, or a list that may become empty."""
    known = len(writing.losses)
    try:
        said = rule.kind.encode(item, writing, prefix, rule.attribute)
    except EncodeError as error:
        if not rule.drops:
            raise
        writing.lose(prefix + rule.attribute, error.reason)
        return
    if said == [] and rule.is_required:
        raise EncodeError(prefix + rule.attribute, f"no entry can be said: {writing.losses[known].reason}")
    if said != []:
        body[rule.wire] = said


def declare(rule: Lost | Assumed, item: Any, writing: Writing, prefix: str) -> None:
    """A value that has no field: a loss, or a reason to hold the object."""
    if item == rule.value if isinstance(rule, Assumed) else item is None or item == ():
        return
    if rule.refuses:
        raise EncodeError(prefix + rule.attribute, rule.because)
    writing.lose(prefix + rule.attribute, rule.because)
