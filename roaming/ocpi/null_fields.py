"""Bodies for partners that want every optional field, without a value too (switch ``null_fields``). Pure."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from roaming.model.party import InterfaceRole
from roaming.model.version import Version
from roaming.ocpi.fields import Form
from roaming.ocpi.module import Route
from roaming.ocpi.rules import Field, ListOf


def with_nulls(form: Form[Any], body: dict[str, Any]) -> dict[str, Any]:
    """``body`` with ``null`` for each absent optional field of ``form`` and ``[]`` for each absent list, in the objects
    inside it too."""
    filled = dict(body)
    for rule in form.rules:
        if not isinstance(rule, Field):
            continue
        inner = rule.kind.kind if isinstance(rule.kind, ListOf) else rule.kind
        value = filled.get(rule.wire)
        if value is None:
            if not rule.is_required:
                filled[rule.wire] = [] if rule.is_list else None
        elif isinstance(inner, Form):
            filled[rule.wire] = (
                [_inside(inner, entry) for entry in value] if isinstance(value, list) else _inside(inner, value)
            )
    return filled


def form_of_push(
    routes: Sequence[Route], version: Version, interface: InterfaceRole, method: str, endpoint: str, url: str
) -> Form[Any] | None:
    """The table of what is pushed to ``url`` below a partner's ``endpoint``; ``None``: no whole object is."""
    if method not in ("PUT", "POST"):
        return None
    below = urlsplit(url).path.rstrip("/").removeprefix(urlsplit(endpoint).path.rstrip("/"))
    for route in routes:
        is_meant = (route.method, route.interface) == (method, interface) and version in route.versions
        if is_meant and route.takes is not None and route.path.count("/") == below.count("/"):
            forms = route.takes.forms.get(version, ())
            return forms[0] if len(forms) == 1 else None
    return None


def _inside(form: Form[Any], value: Any) -> Any:
    return with_nulls(form, value) if isinstance(value, dict) else value
