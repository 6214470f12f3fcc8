"""The table of declared losses: what each version cannot say of each object, read off the tables that translate.

Where fields only make sense together the line quotes the rule that says them.
A rule without a word of it costs nothing.
What depends on the value alone (a text that is too long, a number with more decimals) is not in it: that shows where
losses are counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from roaming.model.version import Version
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import Choice, Kind
from roaming.ocpi.module import OcpiModule
from roaming.ocpi.rules import Assumed, Field, Joint, ListOf, Lost


class Ending(StrEnum):
    """What becomes of a value that a version cannot say."""

    LOST = "lost"
    """Left out, counted."""
    REPLACED = "replaced"
    """Said by the nearest value, counted."""
    REFUSED = "refused"
    """The object, or the entry of a list, is not sent: without the value it would be untrue."""
    BY_RULE = "by rule"
    """As the reason says: several fields together."""


@dataclass(frozen=True, kw_only=True, order=True)
class Declared:
    """One line. ``field`` is canonical, any entry of a list: ``evses[].parking``."""

    module: str
    object: str
    version: Version
    field: str
    ending: Ending
    because: str


def declared_losses(modules: Sequence[OcpiModule]) -> list[Declared]:
    """All of them, by module, object and version."""
    found: set[Declared] = set()
    for module in modules:
        contents = [content for route in module.routes for content in (route.takes, route.gives, route.result)]
        for content in contents:
            for version, forms in content.forms.items() if content is not None else ():
                for form in forms:
                    for field, ending, because in _of_form(form, ""):
                        found.add(
                            Declared(
                                module=module.id,
                                object=form.of.__name__,
                                version=version,
                                field=field,
                                ending=ending,
                                because=because,
                            )
                        )
    return sorted(found)


def _of_form(form: Form[Any], prefix: str) -> Iterator[tuple[str, Ending, str]]:
    if form.prepare is not None and form.prepare.__doc__:
        yield prefix.rstrip(".") or "(all)", Ending.BY_RULE, _first_line(form.prepare)
    for rule in form.rules:
        if isinstance(rule, Lost):
            yield prefix + rule.attribute, Ending.REFUSED if rule.refuses else Ending.LOST, rule.because
        elif isinstance(rule, Assumed):
            ending = Ending.REFUSED if rule.refuses else Ending.LOST
            yield prefix + rule.attribute, ending, f"{rule.because} (always {rule.value})"
        elif isinstance(rule, Joint) and rule.encode.__doc__:
            yield prefix + ", ".join(rule.attributes), Ending.BY_RULE, _first_line(rule.encode)
        elif isinstance(rule, Field):
            yield from _of_kind(rule.kind, prefix + rule.attribute)


def _of_kind(kind: Kind, path: str) -> Iterator[tuple[str, Ending, str]]:
    if isinstance(kind, ListOf):
        yield from _of_kind(kind.kind, f"{path}[]")
    elif isinstance(kind, Form):
        yield from _of_form(kind, f"{path}.")
    elif isinstance(kind, Choice):
        for word, instead in kind.replacements.items():
            because = "does not exist" if instead is None else f"sent as {instead}"
            yield path, Ending.REFUSED if instead is None else Ending.REPLACED, f"{word}: {because}"


def _first_line(rule: Any) -> str:
    return " ".join((rule.__doc__ or "").split("\n\n")[0].split())
