"""What a route takes and gives, as declared beside it: the tables of objects, or the schema of what is no object.

From this the OpenAPI documents are made (``roaming.ocpi.openapi``). Nothing is checked by it: codecs do that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from roaming.model.version import Version
from roaming.ocpi.codec import Codec
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Content:
    """A body, or the ``data`` of an answer."""

    forms: Mapping[Version, tuple[Form[Any], ...]] = field(default_factory=dict)
    """By version; of several one is meant, such as that of the command in the address."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema of what is no object with a table."""
    example: Any = None
    """For what has a ``schema``."""
    chosen_by: str = ""
    """The parameter in the path that says which of several is meant."""
    names: Mapping[Version, tuple[str, ...]] = field(default_factory=dict)
    """Its values, in the order of ``forms``."""
    is_list: bool = False
    is_partial: bool = False
    """A PATCH: any of the fields, and ``last_updated`` since 2.2."""
    is_required: bool = True
    """``False``: a request may come without body."""

    @classmethod
    def of(cls, codecs: Mapping[Version, Codec[Any]], *, is_required: bool = True) -> "Content":
        """One whole object."""
        return cls(forms={version: (codec.form,) for version, codec in codecs.items()}, is_required=is_required)

    @classmethod
    def one_of(cls, codecs: Mapping[Version, Iterable[Codec[Any]]]) -> "Content":
        """One of several objects."""
        return cls(forms={version: tuple(codec.form for codec in several) for version, several in codecs.items()})

    @classmethod
    def chosen(cls, by: str, codecs: Mapping[Version, Mapping[Any, Codec[Any]]]) -> "Content":
        """One of several objects, by the value of the parameter ``by`` in the path, such as the command."""
        several = cls.one_of({version: named.values() for version, named in codecs.items()})
        names = {version: tuple(str(name) for name in named) for version, named in codecs.items()}
        return replace(several, chosen_by=by, names=names)

    def codec(self, version: Version, path: Mapping[str, str]) -> Codec[Any] | None:
        """How ``version`` says what stands at ``path``; ``None`` where it does not have it."""
        forms = self.forms.get(version, ())
        if self.chosen_by:
            named = dict(zip(self.names.get(version, ()), forms, strict=True))
            form = named.get(path.get(self.chosen_by, ""))
        else:
            form = forms[0] if len(forms) == 1 else None
        return Codec(version, form) if form is not None else None

    @classmethod
    def word_of(cls, words: type[StrEnum]) -> "Content":
        """One word of a list, without an object around it."""
        return cls(schema={"type": "string", "enum": [word.value for word in words]}, example=next(iter(words)).value)

    @property
    def listed(self) -> "Content":
        """A page of them, with the parameters and headers of paging."""
        return replace(self, is_list=True)

    @property
    def partial(self) -> "Content":
        """The PATCH form."""
        return replace(self, is_partial=True)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of the query, or what is known of one in the path."""

    name: str
    kind: Kind
    description: str
    versions: tuple[Version, ...] = tuple(Version)
