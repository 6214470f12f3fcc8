"""``roaming station bind``: what cannot be is refused by name, and what is bound again is changed."""

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app

TARIFF = {
    "country_code": "NL",
    "party_id": "HUB",
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.3, "step_size": 1}]}],
}


def roaming(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, words, env={"ROAMING_DATA_DIR": str(folder), "NO_COLOR": "1"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub with the CPO NL-HUB and the tariffs ONE and TWO."""
    made = tmp_path_factory.mktemp("hub")
    (made / "tariffs.json").write_text(json.dumps([TARIFF | {"id": id} for id in ("ONE", "TWO")]))
    for words in (
        ("db", "upgrade"),
        ("party", "add", "NL-HUB", "--role", "CPO", "--name", "Hub"),
        ("tariff", "import", str(made / "tariffs.json")),
    ):
        done = roaming(made, *words)
        assert done.exit_code == 0, done.stderr
    return made


def bind(folder: Path, *words: str) -> Result:
    return roaming(
        folder, "station", "bind", "CS-1", "--party", "NL-HUB", "--location", "L1", "--password", "p" * 16, *words
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--time-zone", "Mars/Base"), "time_zone: 'Mars/Base' is no IANA time zone"),
        (("--country", "Netherlands"), "country: 'Netherlands'"),
        (("--latitude", "999", "--longitude", "4"), "coordinates.latitude: '999'"),
        (("--latitude", "51", "--longitude", "east"), "coordinates.longitude: 'east'"),
        (("--latitude", "51"), "latitude and longitude of L1: give both"),
        (("--no-password",), "--password and --no-password: give one of them"),
        (("--tariff", "NONE"), "NL-HUB has no tariff NONE: roaming tariff import"),
        (("--connectors", "0"), "--connectors"),
    ],
)
def test_what_cannot_be_is_refused_by_name(folder: Path, words: tuple[str, ...], named: str) -> None:
    done = bind(folder, *words)
    assert done.exit_code != 0
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_another_tariff_is_taken_when_bound_again(folder: Path) -> None:
    for tariff in ("ONE", "TWO"):
        done = bind(folder, "--tariff", tariff)
        assert done.exit_code == 0, done.stderr
        with sqlite3.connect(next(folder.glob("*.db"))) as database:
            ((document,),) = database.execute("SELECT document FROM locations").fetchall()
        database.close()
        (evse,) = json.loads(document)["evses"]
        assert evse["connectors"][0]["tariff_ids"] == [tariff]


def test_a_file_that_is_not_there(folder: Path) -> None:
    done = roaming(folder, "token", "import", "missing.csv")
    assert done.exit_code != 0
    assert "missing.csv cannot be read: No such file or directory; give the path" in done.stderr
