"""Every message that the hub can send in a version reaches the station and comes back, whatever other verb says it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from adapters.ocpp.schemas import Schemas
from adapters.ocpp.v16.schemas import SCHEMAS as SCHEMAS_16
from adapters.ocpp.v21.edition import EDITION as EDITION_21
from adapters.ocpp.v201.schemas import SCHEMAS as SCHEMAS_201
from contracts.messages import OperationRequested
from contracts.messages.operation import CallRaw, RawTold
from tests.adapters.ocpp.conftest import Hub
from tests.adapters.ocpp.payloads import sound
from tests.matrix.ocpp import TO_STATION, every_cell

pytestmark = pytest.mark.ocpp_exchange

SCHEMAS = {"1.6": SCHEMAS_16, "2.0.1": SCHEMAS_201, "2.1": EDITION_21.schemas}


def payload_of(schemas: Schemas, action: str, *, is_request: bool) -> dict[str, object]:
    schema = schemas.request(action) if is_request else schemas.response(action)
    made: dict[str, object] = sound(schema.definition, schema.definition)
    assert schema.is_strict(made), action
    return made


@pytest.mark.parametrize("version", SCHEMAS)
async def test_each_can_be_called_raw(hub: Hub, version: str) -> None:
    schemas = SCHEMAS[version]
    station = await (hub.station("CS-2") if version == "1.6" else hub.station2(version=f"ocpp{version}"))
    actions = [cell.message for cell in every_cell() if (cell.version, cell.direction) == (version, TO_STATION)]
    assert len(actions) > 20
    for action in actions:
        said = payload_of(schemas, action, is_request=True)
        answer = payload_of(schemas, action, is_request=False)
        station.commands[action] = lambda _, answer=answer: answer  # type: ignore[misc]
        request = OperationRequested(
            operation_id="o-1",
            instance="test-1",
            epoch=1,
            network="demo",
            station_id="CS-2",
            deadline=datetime.now(UTC) + timedelta(seconds=20),
            operation=CallRaw(action=action, payload=json.dumps(said)),
        )
        result = await hub.fakes.commands.ask(request)
        assert station.got[-1] == (action, said)
        assert isinstance(result.told, RawTold)
        assert json.loads(result.told.payload) == answer, action
