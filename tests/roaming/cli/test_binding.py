"""``roaming station bind``: what cannot be is refused by name, and what is bound again is changed."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from roaming.stations.bindings import NAMES
from roaming.store.reader import SqliteReader

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


def test_a_file_of_stations_reads_their_names_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    fetch = SqliteReader.fetch

    async def noting(self: SqliteReader, sql: str, *parameters: Any) -> Any:
        read.append(sql)
        return await fetch(self, sql, *parameters)

    monkeypatch.setattr(SqliteReader, "fetch", noting)
    rows = ["station,party,location,tariff", *(f"CS-{n},NL-HUB,L2,ONE" for n in (2, 3)), "cs-3,NL-HUB,L2,"]
    (folder / "stations.csv").write_text("\n".join([*rows, "CS-4,NL-ABC,L2,", "CS-5,NL-HUB,L2,NONE"]))
    done = roaming(folder, "station", "import", str(folder / "stations.csv"), "--json")
    imported = json.loads(done.stdout)
    assert [row["station"] for row in imported] == ["CS-2", "CS-3", "CS-3", "CS-4", "CS-5"]
    assert "roaming party add NL-ABC" in imported[3]["error"]
    assert imported[4]["error"].startswith("tariff: NL-HUB has no tariff NONE: roaming tariff import FILE")
    assert read.count(NAMES) == 1
