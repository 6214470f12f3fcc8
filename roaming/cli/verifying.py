"""``roaming verify``: signed meter data in a file, judged record by record and as a whole."""

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from roaming.billing.check_records import shown_verification
from roaming.billing.records import titled
from roaming.cli.billing_titles import SIGNED_RECORD
from roaming.cli.output import fail
from roaming.rating.verified_documents import Unverifiable, verify_document

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_OPTIONS: Final = {"kwh": "--kwh", "public_key": "--public-key"}


def verify_file(file: Path, *, public_key: str, kwh: str) -> tuple[list[dict[str, Any]], bool]:
    """A row per record, a last one for signed data as a whole; and whether nothing is wrong or unknown."""
    text = (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode(errors="replace").strip()
    body: Any = text
    if text[:1] in ("{", "["):
        try:
            body = _DECODER.decode(text)
        except msgspec.DecodeError as error:
            fail(f"{file}: {error}; give JSON or an OCMF record")
    try:
        found = verify_document(body, public_key=public_key, kwh=kwh)
    except Unverifiable as error:
        option = _OPTIONS.get(error.field)
        fail(f"{error}: give {option}" if option else str(error))
    rows = [titled(each, SIGNED_RECORD) for each in shown_verification(found)]
    if not isinstance(body, list):
        rows = [{title: value for title, value in row.items() if title != "id"} for row in rows]
    return rows, found.is_right
