"""``roaming verify``: signed meter data in files."""

import json
from pathlib import Path
from typing import Any

import msgspec
from typer.testing import CliRunner, Result

from roaming.cli.commands import app
from tests.roaming.rating.test_signed_data import END, RECORDS, START, public, signed


def verify(folder: Path, content: Any, *more: str) -> Result:
    text = content if isinstance(content, str) else msgspec.json.encode(content).decode()
    (folder / "file").write_text(text)
    return CliRunner().invoke(app, ["verify", str(folder / "file"), *more])


def test_a_cdr_whose_energy_was_signed(tmp_path: Path) -> None:
    cdr = {"total_energy": 10.25, "signed_data": msgspec.to_builtins(signed(START, END))}
    result = verify(tmp_path, cdr, "--json")
    rows = json.loads(result.stdout)
    assert (result.exit_code, [row["verdict"] for row in rows]) == (0, ["VALID", "VALID", "VALID"])
    assert rows[-1]["registers"] == "signed 10.25 kWh, billed 10.25 kWh: EQUAL"
    billed = verify(tmp_path, cdr, "--kwh", "11")
    assert billed.exit_code == 1
    assert "11 kWh are billed, 10.25 kWh are signed" in billed.stdout


def test_a_record_and_its_key(tmp_path: Path) -> None:
    assert verify(tmp_path, START, "--public-key", public()).exit_code == 0
    assert verify(tmp_path, START).exit_code == 1


def test_what_is_no_signed_data(tmp_path: Path) -> None:
    for content, said in (
        ({"total_energy": 1}, "signed_data is missing"),
        ({"signed_data": {"encoding_method": "OCMF"}, "kwh": 1}, "signed_values"),
        ({"signed_data": msgspec.to_builtins(signed(START))}, "give --kwh"),
        ("{", "give JSON or an OCMF record"),
        ([1], "[0]: give objects with record and public_key"),
    ):
        result = verify(tmp_path, content)
        assert result.exit_code == 1
        assert said in result.stderr


def test_a_list_of_records(tmp_path: Path) -> None:
    records = RECORDS or [{"id": "one", "record": START, "public_key": public(), "valid": True}]
    rows = json.loads(verify(tmp_path, records, "--json").stdout)
    assert [row["verdict"] == "VALID" for row in rows] == [record["valid"] for record in records]
