"""Every tolerance has a name that operators can read about."""

import re
from pathlib import Path

import adapters.ocpp
from adapters.ocpp import repair
from contracts.deviations import MEANINGS


def test_everything_that_is_counted_has_a_meaning_and_nothing_else() -> None:
    folder = Path(adapters.ocpp.__file__).parent
    text = "".join(path.read_text() for path in folder.rglob("*.py") if "simulator" not in path.parts)
    named = set(re.findall(r'deviations\["([^"]+)"\]|station\.count\("([^"]+)"\)|self\.count\("([^"]+)"\)', text))
    counted = {name for names in named for name in names if name}
    mended = Path(repair.__file__).read_text()
    counted |= {f"mended: {name}" for name in re.findall(r'done\.append\("(\w+)"\)', mended)}
    frames = (folder / "frames.py").read_text()
    counted |= {
        f"frame: {name}" for name in re.findall(r'\("(\w+)",\)|\*deviations, "(\w+)"', frames) for name in name if name
    }
    assert counted == set(MEANINGS)
