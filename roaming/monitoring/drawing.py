"""Ribbons for the eye: letters for a terminal, SVG and a page for a browser. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from roaming.monitoring.ribbon import Interval, is_good, shares, slots, usable

COLOURS: Mapping[str, str] = {
    "ONLINE": "#2e7d32",
    "AVAILABLE": "#43a047",
    "PREPARING": "#81c784",
    "CHARGING": "#1565c0",
    "SUSPENDED_EV": "#64b5f6",
    "SUSPENDED_EVSE": "#90caf9",
    "FINISHING": "#4dd0e1",
    "RESERVED": "#8e24aa",
    "UNAVAILABLE": "#757575",
    "FAULTED": "#c62828",
    "OFFLINE": "#212121",
    "UNKNOWN": "#e0e0e0",
}
LETTERS: Mapping[str, str] = {
    "ONLINE": "=",
    "AVAILABLE": ".",
    "PREPARING": "p",
    "CHARGING": "C",
    "SUSPENDED_EV": "s",
    "SUSPENDED_EVSE": "S",
    "FINISHING": "f",
    "RESERVED": "r",
    "UNAVAILABLE": "u",
    "FAULTED": "F",
    "OFFLINE": "x",
    "UNKNOWN": "?",
}
WIDTH, HEIGHT = 900, 24
MARK = 1.0
"""What is narrower is marked at the foot of the ribbon as well: two hours and a half of 90 days."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
}
"""Of ``page``: it needs nothing but its own style."""
_STYLE = "body{font:14px sans-serif;margin:2em}svg{display:block;width:100%;max-width:60em}h2{margin-bottom:.2em}"


def letters(found: Sequence[Interval], count: int) -> str:
    """One letter for each part of the time."""
    return "".join(LETTERS.get(state, "?") for state in slots(found, count))


def legend(ribbons: Sequence[str]) -> str:
    """What the letters in ``ribbons`` mean."""
    used = set("".join(ribbons))
    return "  ".join(f"{letter} {state}" for state, letter in LETTERS.items() if letter in used)


def svg(found: Sequence[Interval], title: str) -> str:
    """One ribbon, a rectangle for each interval, with what it is to read, and marks of those too short to be seen."""
    if not found:
        return ""
    start, total = found[0].start, (found[-1].end - found[0].start).total_seconds() or 1.0
    parts: list[str] = []
    short: dict[tuple[bool, int, str], list[Interval]] = {}
    for one in found:
        left, width = (one.start - start).total_seconds() / total * WIDTH, one.seconds / total * WIDTH
        if width < MARK:
            short.setdefault((not is_good(one.state), int(left), one.state), []).append(one)
        if width:
            parts.append(_rect(one, left, width, f'height="{HEIGHT}"'))
    # Troubles last: they lie above all else
    for (_, left, _), several in sorted(short.items()):
        parts.append(_rect(several[0], left, MARK, f'y="{HEIGHT * 2 // 3}" height="{HEIGHT // 3}"', more=several[1:]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(title)}" preserveAspectRatio="none">{"".join(parts)}</svg>'
    )


def _rect(one: Interval, left: float, width: float, upright: str, more: Sequence[Interval] = ()) -> str:
    span = _brief(one.start) if not one.seconds else f"{_brief(one.start)} – {_brief(one.end)}"
    said = f"{one.state} {span}" + (f": {one.why}" if one.why else "") + (f", and {len(more)} more" if more else "")
    return (
        f'<rect x="{left:.2f}" width="{max(width, 0.01):.2f}" {upright} fill="{COLOURS.get(one.state, "#e0e0e0")}">'
        f"<title>{escape(said)}</title></rect>"
    )


def page(station: str, ribbons: Sequence[tuple[str, Sequence[Interval]]]) -> str:
    """All ribbons of a station, without anything from elsewhere."""
    rows = []
    for name, found in ribbons:
        share = usable(found)
        said = "nothing known" if share is None else f"usable {share:.1%}"
        taken = ", ".join(f"{state} {part:.1%}" for state, part in shares(found).items())
        rows.append(f"<h2>{escape(name)}</h2>{svg(found, name)}<p>{escape(said)} ({escape(taken)})</p>")
    title = escape(f"{station}: {_span(ribbons)}")
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{title}</h1>{"".join(rows)}</body></html>'


def _span(ribbons: Sequence[tuple[str, Sequence[Interval]]]) -> str:
    found = [interval for _, intervals in ribbons for interval in intervals]
    return f"{_brief(found[0].start)} – {_brief(max(i.end for i in found))}" if found else "nothing known"


def _brief(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
