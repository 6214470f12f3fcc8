"""One line of a table: how one attribute of a canonical object stands on the wire of one version, or why it does not.

``one``, ``maybe``, ``many`` and ``some`` are the cardinalities 1, ?, * and + of the specification.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from roaming.ocpi.kinds import Kind, is_sent_as_it_is
from roaming.ocpi.translation import DecodeError, EncodeError, Reading, Writing

Body = Mapping[str, Any]

Fallback = Callable[[Body, Reading], Any]
"""Value for a field that the body lacks, or ``None`` when the context does not know it either."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one kind. ``drops``: an entry that the version cannot say is left out and declared; otherwise the
    whole list cannot be said. ``omit`` gives the reason why an entry is not sent, or ``None``."""

    kind: Kind
    drops: bool = False
    omit: Callable[[Any], str | None] | None = None

    is_same: bool = field(init=False)
    """Entries go out as they are."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_same", self.omit is None and is_sent_as_it_is(self.kind))

    @property
    def may_shrink(self) -> bool:
        """Entries may be left out on the way out."""
        return (self.drops and not self.is_same) or self.omit is not None

    def decode(self, value: Any, reading: Reading, prefix: str, name: str) -> tuple[Any, ...]:
        if type(value) is not list:
            raise DecodeError(prefix + name, f"expected a list, got {type(value).__name__}")
        decode = self.kind.decode
        if None in value:
            raise DecodeError(f"{prefix}{name}[{value.index(None)}]", "is null")
        return tuple([decode(item, reading, prefix, f"{name}[{index}]") for index, item in enumerate(value)])

    def encode(self, value: tuple[Any, ...], writing: Writing, prefix: str, name: str) -> list[Any]:
        encode = self.kind.encode
        if self.is_same:
            return list(value)
        if not self.may_shrink:
            return [encode(item, writing, prefix, f"{name}[{index}]") for index, item in enumerate(value)]
        said = []
        for index, item in enumerate(value):
            reason = self.omit(item) if self.omit else None
            if reason is not None:
                writing.lose(f"{prefix}{name}[{index}]", reason)
                continue
            known = len(writing.losses)
            try:
                said.append(encode(item, writing, prefix, f"{name}[{index}]"))
            except EncodeError as error:
                if not self.drops:
                    raise
                del writing.losses[known:]
                where = error.path.removeprefix(f"{prefix}{name}[{index}]").lstrip(".")
                writing.lose(f"{prefix}{name}[{index}]", f"{where}: {error.reason}" if where else error.reason)
        return said


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute that is one field."""

    attribute: str
    wire: str
    kind: Kind
    is_required: bool
    """On the wire of this version."""
    drops: bool = False
    """Optional, and left out with a declared loss when the version cannot say the value."""
    otherwise: Fallback | None = None
    """Where the value comes from when the body lacks it; for an attribute without default that is not on every wire."""
    is_taken_quietly: bool = False
    """``otherwise`` is what absence means, and no departure."""
    when_absent: Callable[[Any, Writing, str], Any] | None = None
    """What to send for an attribute without value in a version that requires one."""
    keyed_by: str | None = None
    """In a PATCH the entries of this list are merged by that attribute instead of replacing the list."""

    may_fail: bool = field(init=False)
    """The version may turn out unable to say a value, with the field, or an entry of its list, left out."""

    def __post_init__(self) -> None:
        may_fail = self.drops or (isinstance(self.kind, ListOf) and self.kind.may_shrink)
        object.__setattr__(self, "may_fail", may_fail)

    @property
    def attributes(self) -> tuple[str, ...]:
        return (self.attribute,)

    @property
    def wires(self) -> tuple[str, ...]:
        return (self.wire,)

    @property
    def is_list(self) -> bool:
        return isinstance(self.kind, ListOf)

    def of(self, kind: Kind) -> "Field":
        """The same field with entries, or a value, of another kind."""
        return replace(self, kind=replace(self.kind, kind=kind) if isinstance(self.kind, ListOf) else kind)


def one(attribute: str, kind: Kind, *, otherwise: Fallback | None = None, is_taken_quietly: bool = False) -> Field:
    """Cardinality 1."""
    return Field(attribute, attribute, kind, True, otherwise=otherwise, is_taken_quietly=is_taken_quietly)


def maybe(attribute: str, kind: Kind, *, drops: bool = False) -> Field:
    """Cardinality ?."""
    return Field(attribute, attribute, kind, False, drops=drops)


def many(attribute: str, kind: Kind, *, drops: bool = False, keyed_by: str | None = None) -> Field:
    """Cardinality *."""
    return Field(attribute, attribute, ListOf(kind, drops), False, keyed_by=keyed_by)


def some(attribute: str, kind: Kind, *, drops: bool = False) -> Field:
    """Cardinality +."""
    return Field(attribute, attribute, ListOf(kind, drops), True)


@dataclass(frozen=True, slots=True)
class Given:
    """Attributes that this version says outside the body: in the path, the connection, the question asked.
    Sending them costs nothing, receiving needs the context."""

    attribute: str
    source: Fallback

    @property
    def attributes(self) -> tuple[str, ...]:
        return (self.attribute,)

    wires = ()


@dataclass(frozen=True, slots=True)
class Assumed:
    """An attribute that this version does not know because it always means ``value``. Another value is a loss, or
    with ``refuses`` cannot be said."""

    attribute: str
    value: Any
    because: str
    refuses: bool = False

    @property
    def attributes(self) -> tuple[str, ...]:
        return (self.attribute,)

    wires = ()


@dataclass(frozen=True, slots=True)
class Lost:
    """An optional attribute that this version cannot say; with ``refuses`` an object that has it is held."""

    attribute: str
    because: str
    refuses: bool = False

    @property
    def attributes(self) -> tuple[str, ...]:
        return (self.attribute,)

    wires = ()


@dataclass(frozen=True, slots=True)
class Joint:
    """Fields and attributes that only make sense together: the way out of a table for what no line can say.

    ``encode(object, writing, prefix)`` gives the fields; ``decode(fields, reading, prefix)`` the attributes, from
    those of ``wires`` that the body has (never ``null``), and checks what is required. ``shown`` is what the documents
    say of each of ``wires``.
    """

    wires: tuple[str, ...]
    attributes: tuple[str, ...]
    encode: Callable[[Any, Writing, str], Mapping[str, Any]]
    decode: Callable[[Body, Reading, str], Mapping[str, Any]]
    shown: tuple[Field, ...]

    def __post_init__(self) -> None:
        if {line.wire for line in self.shown} != set(self.wires):
            raise TypeError(f"say what each of {', '.join(self.wires)} looks like")


@dataclass(frozen=True, slots=True)
class Ignored:
    """A field of this version that the canonical model has no place for: checked by nobody, and a finding."""

    wire: str
    because: str

    attributes = ()

    @property
    def wires(self) -> tuple[str, ...]:
        return (self.wire,)


Rule = Field | Given | Assumed | Lost | Joint | Ignored


@dataclass(frozen=True, slots=True)
class FromContext:
    """The context's field of that name. Its text completes "needs ..." in an error."""

    name: str

    def __call__(self, _body: Body, reading: Reading) -> Any:
        return getattr(reading.context, self.name)

    def __str__(self) -> str:
        return f"context.{self.name}"


def constant(value: Any) -> Fallback:
    """Always ``value``."""
    return lambda _body, _reading: value
