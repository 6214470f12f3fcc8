import json

import pytest
import structlog

from roaming.cli.logs import configure_logging


def test_a_traceback_does_not_show_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    try:
        secret = "token-of-a-driver"
        raise ValueError(f"{len(secret)} characters")
    except ValueError:
        structlog.get_logger().exception("it_failed", station="A")
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "it_failed"
    assert "ValueError: 17 characters" in line["exception"]
    assert "token-of-a-driver" not in line["exception"].replace('secret = "token-of-a-driver"', "")
