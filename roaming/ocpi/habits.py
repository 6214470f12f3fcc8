"""What a partner's traffic shows of its dialect. Pure: an exchange in, habits out.

A habit is a value of a switch that differs from what the specification leads one to expect, with what it was seen by.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from roaming.ocpi.answers import Answer
from roaming.ocpi.fetching import FetchedPage
from roaming.ocpi.paging import LIMIT, is_same_origin

_WRONG_STATUS = frozenset({"status_code_is_http", "status_code_out_of_range", "success_on_http_error"})
_HAS_ZONE = re.compile(r"(Z|z|[+-]\d{2}:?\d{2})\s*\Z")
_LOOKED_AT = 20
"""Objects of a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """``value`` of the switch ``name``, seen by ``why``, which holds neither tokens nor bodies."""

    name: str
    value: str
    why: str


def habits_of_answer(method: str, url: str, module: str, answer: Answer) -> list[Habit]:
    """What any answer shows. Addresses are not told: they may hold the uid of a driver's card."""
    found: list[Habit] = []
    status, at = answer.http_status, f"{method} {module}"
    if method == "PATCH" and status in (405, 501):
        found.append(Habit(name="patch", value="no", why=f"{at}: HTTP {status}"))
    if status is not None and 300 <= status <= 399 and _adds_slash(answer.headers.get("location", ""), url):
        why = f"{at}: HTTP {status} to the same address with a slash"
        found.append(Habit(name="trailing_slash", value="yes", why=why))
    wrong = _WRONG_STATUS.intersection(answer.findings)
    if wrong:
        found.append(Habit(name="status_codes", value="http", why=f"{at}: HTTP {status}, {', '.join(sorted(wrong))}"))
    return found


def habits_of_page(page: FetchedPage, module: str) -> list[Habit]:
    """What a page of a list shows beside that."""
    found: list[Habit] = []
    at = f"GET {module}"
    if is_headless(page):
        why = f"{at}: {len(page.items)} objects without Link, X-Total-Count and X-Limit"
        found.append(Habit(name="paging_headers", value="missing", why=why))
    if page.next_url is not None and not is_same_origin(page.next_url, page.url):
        why = f"{at}: its Link leads to {urlsplit(page.next_url).netloc[:80]}"
        found.append(Habit(name="page_links", value="mend", why=why))
    return found + _habits_of_objects(page.items[:_LOOKED_AT], at)


def is_headless(page: FetchedPage) -> bool:
    """Whether nothing says that the list ends here, nor that it goes on."""
    says_limit = LIMIT.lower() in page.answer.headers
    return bool(page.items) and page.next_url is None and page.total is None and not says_limit


def _habits_of_objects(items: Sequence[Any], at: str) -> list[Habit]:
    found: list[Habit] = []
    bodies = [item for item in items if isinstance(item, dict)]
    for body in bodies:
        last_updated, country_code = body.get("last_updated"), body.get("country_code")
        if isinstance(last_updated, str) and "T" in last_updated and not _HAS_ZONE.search(last_updated):
            found.append(Habit(name="time_zone", value="UTC", why=f"{at}: last_updated has no zone"))
        if isinstance(country_code, str) and country_code != country_code.upper():
            found.append(Habit(name="id_case", value="lower", why=f"{at}: country_code in lower case"))
        empty = next((name for name, value in body.items() if value is None), None)
        if empty is not None:
            found.append(Habit(name="null_fields", value="sent", why=f"{at}: {empty[:40]} is null"))
    return list({habit.name: habit for habit in reversed(found)}.values())


def token_habit(method: str, module: str, refused: str, accepted: str, http_status: int) -> Habit:
    """The partner refused our token in one form and takes it in the other."""
    why = f"{method} {module}: HTTP 401 to {refused}, HTTP {http_status} to {accepted}"
    return Habit(name="token_encoding", value=accepted, why=why)


def _adds_slash(location: str, url: str) -> bool:
    try:
        there, here = urlsplit(location), urlsplit(url)
    except ValueError:
        return False
    return not here.path.endswith("/") and there.path == here.path + "/"
