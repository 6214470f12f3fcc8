"""What is shown of tariffs, their versions and what is wrong with them, one record a row, as in ``records``."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from roaming.modules.tariffs.history import changes
from roaming.modules.tariffs.repository import TariffVersion
from roaming.rating.lint import Lint


class ShownLint(msgspec.Struct, frozen=True, kw_only=True):
    """``state``: error (the tariff cannot be used) or warning."""

    state: str
    code: str
    where: str
    what: str


class ShownVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What a tariff said from ``since`` on. ``source``: the partner that told it; `here`: it is ours."""

    version: int
    since: datetime
    last_updated: datetime
    source: str
    changed: str


def shown_lint(found: Lint) -> ShownLint:
    """A finding in a tariff."""
    state = "error" if found.is_error else "warning"
    return ShownLint(state=state, code=found.code.value, where=found.where, what=found.text)


def shown_versions(versions: Iterable[TariffVersion]) -> list[ShownVersion]:
    """Of one tariff, the oldest first."""
    rows: list[ShownVersion] = []
    before: TariffVersion | None = None
    for number, version in enumerate(versions, start=1):
        if version.tariff is None:
            what = "withdrawn"
        elif before is None or before.tariff is None:
            what = "new"
        else:
            what = "; ".join(changes(before.tariff, version.tariff))
        rows.append(
            ShownVersion(
                version=number,
                since=version.since,
                last_updated=version.last_updated,
                source=version.source or "here",
                changed=what,
            )
        )
        before = version
    return rows
