"""A renewal that we start, where the answer gets lost: the partner may hold the new token or the old one."""

import asyncio
import json

import pytest

from roaming.modules.credentials.service import RegistrationFailed, renew
from tests.kit.hub_in_process import HubInProcess
from tests.kit.scripted_partner import Received, ScriptedPartner, enveloped, http_answer


@pytest.mark.parametrize(("is_lost", "status"), [(True, 200), (False, 401)])
async def test_both_tokens_are_good_after_a_lost_answer(hub: HubInProcess, is_lost: bool, status: int) -> None:
    tokens: list[str] = []

    async def script(request: Received, writer: asyncio.StreamWriter) -> None:
        if request.method == "PUT":
            tokens.append(json.loads(request.body)["token"])
            if is_lost:
                writer.close()
            else:
                writer.write(http_answer(enveloped(None, status_code=3001)))
        elif request.target == "/versions":
            writer.write(http_answer(enveloped([{"version": "2.2.1", "url": f"{partner.url}/2.2.1"}])))
        else:
            endpoint = {"identifier": "credentials", "role": "SENDER", "url": f"{partner.url}/credentials"}
            writer.write(http_answer(enveloped({"version": "2.2.1", "endpoints": [endpoint]})))

    partner = ScriptedPartner(script)
    async with partner:
        await hub.connect("ccc", "DE-CCC", "EMSP", url=partner.url)
        with pytest.raises(RegistrationFailed, match="PUT"):
            await renew(hub.services, "ccc")
    assert (await hub.call(None, "GET", "/versions", token=tokens[-1])).http_status == status
    assert (await hub.call("ccc", "GET", "/versions")).http_status == 200
