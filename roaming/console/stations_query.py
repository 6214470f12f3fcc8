"""What lists and pages about stations may be asked by in the query: each parameter with what it means, in this place
alone. The OpenAPI document is made from what functions are marked with."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

W = TypeVar("W", bound=Callable[..., Any])


class Parameter(NamedTuple):
    """``about``: for whoever reads the document."""

    name: str
    about: str
    is_number: bool = False


QUERIES: dict[Callable[..., Any], tuple[Parameter, ...]] = {}
"""By the function that reads them."""


def asked_by(*parameters: Parameter) -> Callable[[W], W]:
    """Of a function that answers a request: it reads these, in the order in which they are told."""

    def marked(work: W) -> W:
        QUERIES[work] = parameters
        return work

    return marked


def limit(usual: int, largest: int) -> Parameter:
    """How many rows."""
    return Parameter("limit", f"At most so many, up to {largest}; {usual} unless given", is_number=True)


def days(usual: int) -> Parameter:
    """How far back."""
    return Parameter("days", f"Of the last so many days; {usual} unless given", is_number=True)


STATION = Parameter("station", "Id of a station; as often as need be")
ONE_STATION = Parameter("station", "Id of a station")
NETWORK = Parameter("network", "Set of stations, where several have stations of one name")
GROUP = Parameter("group", "Only stations of this group")
TAG = Parameter("tag", "Only stations with this tag; given twice: with both")
ONLINE = Parameter("online", "yes or no")
CSV = Parameter("format", "csv: for a spreadsheet")
RIBBON_FORMAT = Parameter("format", "json (unless given), csv, html, or svg of one connector")
CONNECTOR = Parameter("connector", "Number of a connector, for svg; none: the connection")
AFTER_NAME = Parameter("after", "Go on after this name: the last of the page before")
AFTER_EVENT = Parameter("after", "Go on after this number: what `next` of the page before says; 0: from the oldest")
BEFORE = Parameter("before", "Go on before this id: the last of the page before")
DAYS_AHEAD = Parameter("days", "Those that stations use and that end within so many days", is_number=True)
SINCE = Parameter("since", "A time, or such as 10m ago; an hour ago unless given")
UNTIL = Parameter("until", "A time, or such as 10m ago; now unless given")
GREP = Parameter("grep", "Only frames with this text")
WAY = Parameter("way", "in: from the station; out: to it")
BATCH = Parameter("batch", "Those asked together")
KIND = Parameter("kind", "Such as RESET")
STATE = Parameter("state", "Such as ANSWERED")
OUTCOME = Parameter("outcome", "Such as REJECTED")
WHO = Parameter("who", "Who asked, such as cli:anna")
EVENTS = Parameter("events", "Patterns of kinds, by commas")
PARTY = Parameter("party", "Whose, such as NL-TNM")
NOTIFICATION_STATE = Parameter("state", "PENDING, SENT, or DEAD: what was given up")
FILE_NAME = Parameter("name", "What people call the file")
