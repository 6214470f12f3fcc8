"""The switches of a partner's dialect, as one table: what each changes, and how it is found out.

Pure. Values are text here, as people type them and as they are stored; ``roaming.ocpi.dialect`` reads them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

_HOST = re.compile(r"follow:[A-Za-z0-9.-]{1,253}(:\d{1,5})?")


class UnknownSwitch(ValueError):
    """No such switch, or no such value. The text says which there are."""


@dataclass(frozen=True, kw_only=True)
class Switch:
    """One switch."""

    name: str
    values: tuple[str, ...]
    """Those there are; words in capitals stand for a value of one's own, which ``is_value`` judges."""
    default: str
    changes: str
    """What the hub does otherwise."""
    detected: str
    """By what in its traffic a partner shows the habit; empty: it shows nowhere, and is set by hand."""
    is_applied: bool = True
    """What was detected holds at once. ``False``: it is shown only, since being wrong about it would do harm."""
    is_value: Callable[[str], bool] | None = None

    def check(self, value: str) -> str:
        """``value``, or ``UnknownSwitch``."""
        if value in self.values or (self.is_value is not None and self.is_value(value)):
            return value
        raise UnknownSwitch(f"{self.name}: one of {', '.join(self.values)}, not {value[:40]!r} ({self.changes})")


@lru_cache(maxsize=64)
def _is_zone(value: str) -> bool:
    try:
        return bool(ZoneInfo(value))
    except (OSError, ValueError, LookupError):
        return False


def _is_count(value: str) -> bool:
    return value.isascii() and value.isdigit() and 1 <= int(value) <= 64


def _is_rate(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= 1000


TABLE: tuple[Switch, ...] = (
    Switch(
        name="token_encoding",
        values=("base64", "raw"),
        default="base64, raw in 2.1.1",
        changes="how our credentials token stands in Authorization; both forms are accepted from the partner",
        detected="401 to the one form, another status to the other",
    ),
    Switch(
        name="trailing_slash",
        values=("no", "yes"),
        default="no",
        changes="addresses that we call end with a slash; both forms are answered here",
        detected="a redirect to the same address with a slash at its end",
    ),
    Switch(
        name="version_2_2",
        values=("taken", "offered", "refused"),
        default="taken",
        changes="taken: a partner with no better version than 2.2 is spoken to as 2.2.1; offered: our list of versions"
        " names 2.2 to it too; refused: 3002, as for other old versions",
        detected="its list of versions names 2.2 and nothing newer that is spoken here",
    ),
    Switch(
        name="null_fields",
        values=("left-out", "sent"),
        default="left-out",
        changes="optional fields without a value are pushed as null, empty lists as []; null is always read as absent",
        detected="null in objects of its lists",
        is_applied=False,
    ),
    Switch(
        name="id_case",
        values=("kept", "lower"),
        default="kept",
        changes="ids in addresses and routing headers of our requests are lower-cased; ids are always compared without"
        " case and kept as they came",
        detected="a country_code in lower case in objects of its lists",
        is_applied=False,
    ),
    Switch(
        name="status_codes",
        values=("ocpi", "http"),
        default="ocpi",
        changes="http: the HTTP status alone tells how a request ended, whatever status_code the envelope has",
        detected="a status_code that is none of OCPI's, or 1xxx with an HTTP error",
        is_applied=False,
    ),
    Switch(
        name="paging_headers",
        values=("sent", "missing"),
        default="sent",
        changes="missing: a list is asked on by offset until a page brings nothing new",
        detected="a page with objects and without Link, X-Total-Count and X-Limit",
    ),
    Switch(
        name="date_to",
        values=("left-out", "sent"),
        default="left-out",
        changes="sent: lists are pulled with a date_to of tomorrow, where its own default hides what is newer",
        detected="",
    ),
    Switch(
        name="time_zone",
        values=("UTC", "ZONE"),
        default="UTC",
        changes="the zone of its times that name none, such as Europe/Paris",
        detected="last_updated without a zone in objects of its lists",
        is_applied=False,
        is_value=_is_zone,
    ),
    Switch(
        name="page_links",
        values=("refuse", "mend", "follow:HOST"),
        default="refuse",
        changes="a Link that leaves the partner's origin ends the list; mend: its path and query are asked of the"
        " origin that answered; follow:HOST: it is followed to that host, with our token",
        detected="a Link to another host: mended from then on, never followed",
        is_value=lambda value: _HOST.fullmatch(value) is not None,
    ),
    Switch(
        name="patch",
        values=("yes", "no"),
        default="yes",
        changes="no: changes are sent as PUT of the whole object",
        detected="405 or 501 to a PATCH",
    ),
    Switch(
        name="at_once",
        values=("1 to 64",),
        default="8",
        changes="deliveries under way to the partner at once, at most",
        detected="",
        is_value=_is_count,
    ),
    Switch(
        name="per_second",
        values=("unlimited", "1 to 1000"),
        default="unlimited",
        changes="deliveries that begin within a second, at most, evenly spread; also what waited while it was away",
        detected="",
        is_value=_is_rate,
    ),
)

BY_NAME = {switch.name: switch for switch in TABLE}


def switch_of(name: str) -> Switch:
    """The switch of that name. Raises ``UnknownSwitch``."""
    found = BY_NAME.get(name)
    if found is None:
        raise UnknownSwitch(f"there is no switch {name[:40]!r}: they are {', '.join(BY_NAME)}")
    return found
