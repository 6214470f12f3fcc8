"""Which objects a list shows, and the SQL that finds them in the order of pages."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from roaming.model.identifiers import PartyId

MAX_BRANCHES = 16
Keys = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which objects a list shows: of these owners, for this scope, changed in this window."""

    owners: tuple[PartyId, ...]
    scopes: tuple[str, ...] = ("",)
    sources: Mapping[PartyId, str] = field(default_factory=dict)
    """Who gave us the objects of an owner; of one that is not named here: nobody, it is hosted."""
    only: Mapping[PartyId, Keys] = field(default_factory=dict)
    """Owners of whom these objects alone are shown, by key."""
    without: Mapping[PartyId, Keys] = field(default_factory=dict)
    """Objects of other owners that are not shown, by key."""
    date_from: datetime | None = None
    date_to: datetime | None = None

    def by_source(self) -> dict[str, list[PartyId]]:
        """The owners, each once, by who gave us their objects."""
        found: dict[str, list[PartyId]] = {}
        for owner in dict.fromkeys(self.owners):
            found.setdefault(self.sources.get(owner, ""), []).append(owner)
        return found

    @property
    def is_whole(self) -> bool:
        """All objects of its owners, whenever they were changed."""
        return not (self.only or self.without or self.date_from or self.date_to)

    def naming(self, named: Mapping[PartyId, Keys]) -> "Selection":
        """Of this selection's owners the objects that ``named`` names."""
        owners = tuple(owner for owner in dict.fromkeys(self.owners) if named.get(owner))
        return replace(self, owners=owners, only={owner: named[owner] for owner in owners}, without={})


def page_columns(text: str) -> str:
    """What a ``PageRow`` is made from; ``text`` is a column or NULL."""
    document = f"CASE WHEN {text} IS NULL THEN document END AS document"
    return f"key, last_updated, revision, {text}, {document}, live, origin_version"


def _pairs(marks: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"({country}, {party})" for country, party in marks)


class Query:
    """The SQL of one selection.

    An index gives the rows of one owner and one scope in the order of pages. So few of them are read one after the
    other and merged (``branches``); many are filtered out of the rows of everybody, most of which then belong.

    What a partner gave us lies in a window of dates by its ``last_updated`` or by when we received it: whoever asked in
    between would never hear of what came late.
    """

    def __init__(self, table: str, selection: Selection, after: tuple[datetime, str] | None, *, members: str) -> None:
        """``members``: see ``Reader``."""
        self.parameters: list[Any] = []
        self._table, self._members = table, members
        self.branches: list[str] = []
        named = {
            source: [key for owner in owners for key in selection.only.get(owner, ())]
            for source, owners in selection.by_source().items()
        }
        whole = {
            source: [owner for owner in owners if owner not in selection.only]
            for source, owners in selection.by_source().items()
        }
        if not any(named.values()) and not any(whole.values()):
            return  # PostgreSQL refuses parameters that are nowhere used
        scopes = [self._mark(scope) for scope in dict.fromkeys(selection.scopes)]
        common = "is_listed = true"
        if after is not None:
            common += f" AND (last_updated, key) > ({self._mark(after[0])}, {self._mark(after[1])})"
        in_scope = f"scope IN ({', '.join(scopes)})"
        is_few = sum(map(len, whole.values())) * len(scopes) <= MAX_BRANCHES
        windows = self._windows(selection)
        for source, dated, owners in [(s, w, o) for s, o in whole.items() for w in (windows if s else windows[:1])]:
            if owners and is_few:
                self.branches += self._one_by_one(
                    f"source = {self._mark(source)} AND {common}{dated}", scopes, owners, selection
                )
            elif owners:
                pairs = _pairs((self._mark(owner.country_code), self._mark(owner.party_id)) for owner in owners)
                self.branches.append(
                    f"source = {self._mark(source)} AND {common}{dated} AND {in_scope}"
                    f" AND (country_code, party_id) IN (VALUES {pairs}){self._without(selection, owners)}"
                )
        # Keys name their owners: those of one source are looked up together
        for source, dated, keys in [(s, w, k) for s, k in named.items() for w in (windows if s else windows[:1])]:
            if keys:
                self.branches.append(
                    f"source = {self._mark(source)} AND {common}{dated} AND {in_scope}"
                    f" AND key IN ({self._listed(keys)})"
                )

    def _windows(self, selection: Selection) -> list[str]:
        """Of the dates: what was changed then, and what was changed before or after and received then."""
        limits = [
            f"{{0}} {relation} {self._mark(limit)}"
            for relation, limit in ((">=", selection.date_from), ("<", selection.date_to))
            if limit is not None
        ]
        if not limits:
            return [""]
        changed, received = (" AND ".join(limits).format(column) for column in ("last_updated", "received_at"))
        # The source is said once more in words that the index is made of
        return [f" AND {changed}", f" AND source <> '' AND {received} AND NOT ({changed})"]

    def _one_by_one(
        self, common: str, scopes: Sequence[str], owners: Sequence[PartyId], selection: Selection
    ) -> list[str]:
        found = []
        for owner in owners:
            country, party = self._mark(owner.country_code), self._mark(owner.party_id)
            without = self._without(selection, [owner])
            found += [
                f"{common} AND scope = {scope} AND country_code = {country} AND party_id = {party}{without}"
                for scope in scopes
            ]
        return found

    def _without(self, selection: Selection, owners: Sequence[PartyId]) -> str:
        keys = [key for owner in owners for key in selection.without.get(owner, ())]
        return f" AND key NOT IN ({self._listed(keys)})" if keys else ""

    def _listed(self, keys: Sequence[str]) -> str:
        return self._members.format(self._mark(json.dumps(keys)))

    def _mark(self, value: Any) -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def page(self, text: str, limit: int, offset: int, *, beside: str = "NULL") -> str:
        """Key, time, revision, text or document, and origin of the rows of a page, and ``beside`` in each, SQL of
        something that is no matter of the row; numbers are our own."""
        columns = page_columns(text)
        order = f"ORDER BY last_updated, key LIMIT {int(limit)} OFFSET {int(offset)}"
        if len(self.branches) == 1:
            return f"SELECT {columns}, {beside} FROM {self._table} WHERE {self.branches[0]} {order}"  # noqa: S608 - ours
        enough = f"ORDER BY last_updated, key LIMIT {int(limit) + int(offset)}"
        parts = " UNION ALL ".join(
            f"SELECT * FROM (SELECT {columns} FROM {self._table} WHERE {branch} {enough}) AS b{index}"  # noqa: S608
            for index, branch in enumerate(self.branches)
        )
        return f"SELECT page.*, {beside} FROM ({parts}) AS page {order}"  # noqa: S608

    def beside(self, sql: str, *parameters: Any) -> str:
        """``sql`` for ``page``, whose ``{}`` are the places of ``parameters``."""
        return sql.format(*(self._mark(parameter) for parameter in parameters))

    def count(self) -> str:
        """How many rows all pages have."""
        counts_ = (f"(SELECT COUNT(*) FROM {self._table} WHERE {branch})" for branch in self.branches)  # noqa: S608
        return f"SELECT {' + '.join(counts_)}"
