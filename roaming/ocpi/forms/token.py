"""Tokens as tokens, commands, sessions and CDRs quote them."""

from collections.abc import Mapping
from typing import Any

from roaming.model.identifiers import fold
from roaming.model.location import LocationReferences
from roaming.model.token import (
    CdrToken,
    EnergyContract,
    ProfileType,
    Token,
    TokenType,
    WhitelistType,
)
from roaming.ocpi.fields import Form
from roaming.ocpi.kinds import COUNTRY_CODE, FLAG, ID_36, PARTY_ID, TIMESTAMP, Choice, Id, Text
from roaming.ocpi.rules import FromContext, Given, Ignored, Joint, many, maybe, one
from roaming.ocpi.translation import DecodeError, Reading, Writing

TOKEN_TYPE_230 = Choice.of(TokenType, is_open=True)
TOKEN_TYPE_221 = TOKEN_TYPE_230.lacking(EMAID="OTHER")
TOKEN_TYPE_211 = TOKEN_TYPE_221.lacking(APP_USER="OTHER", AD_HOC_USER="OTHER")

ENERGY_CONTRACT = Form(EnergyContract, one("supplier_name", Text(64)), maybe("contract_id", Text(64)))

TOKEN_230 = Form(
    Token,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("uid", ID_36),
    one("type", TOKEN_TYPE_230),
    one("contract_id", ID_36),
    maybe("visual_number", Text(64)),
    one("issuer", Text(64)),
    maybe("group_id", ID_36),
    one("valid", FLAG),
    one("whitelist", Choice.of(WhitelistType)),
    maybe("language", Text(2)),
    maybe("default_profile_type", Choice.of(ProfileType)),
    maybe("energy_contract", ENERGY_CONTRACT),
    one("last_updated", TIMESTAMP, otherwise=FromContext("received_at")),
)
TOKEN_221 = TOKEN_230.retype(type=TOKEN_TYPE_221)
TOKEN_211 = (
    TOKEN_221.replace(
        Given("country_code", FromContext("country_code")),
        Given("party_id", FromContext("party_id")),
    )
    .retype(type=TOKEN_TYPE_211)
    .rename(contract_id="auth_id")
    .without("group_id", "default_profile_type", "energy_contract", because="2.1.1 tokens do not have it")
)

CDR_TOKEN_230 = Form(
    CdrToken,
    one("country_code", COUNTRY_CODE),
    one("party_id", PARTY_ID),
    one("uid", ID_36),
    one("type", TOKEN_TYPE_230),
    one("contract_id", ID_36),
)
CDR_TOKEN_221 = CDR_TOKEN_230.retype(type=TOKEN_TYPE_221)

LOCATION_REFERENCES_230 = Form(LocationReferences, one("location_id", ID_36), many("evse_uids", ID_36))
LOCATION_REFERENCES_211 = LOCATION_REFERENCES_230.retype(location_id=Id(39), evse_uids=Id(39)).extend(
    Ignored("connector_ids", "gone since 2.2: whole EVSEs are referred to")
)


def _to_auth_id(owner: Any, writing: Writing, prefix: str) -> Mapping[str, Any]:
    """2.1.1 names the contract only (auth_id): the token is lost."""
    writing.lose(f"{prefix}cdr_token", "2.1.1 names the contract only (auth_id), not the token")
    return {"auth_id": ID_36.encode(owner.cdr_token.contract_id, writing, prefix, "cdr_token.contract_id")}


def _from_auth_id(fields: Mapping[str, Any], reading: Reading, prefix: str) -> Mapping[str, Any]:
    if "auth_id" not in fields:
        raise DecodeError(f"{prefix}auth_id", "required")
    auth_id = ID_36.decode(fields["auth_id"], reading, prefix, "auth_id")
    token = reading.context.cdr_token
    if token is None or fold(token.contract_id) != fold(auth_id):
        raise DecodeError(f"{prefix}auth_id", "does not say which token, needs context.cdr_token with this contract")
    return {"cdr_token": token}


AUTH_ID = Joint(("auth_id",), ("cdr_token",), _to_auth_id, _from_auth_id, (one("auth_id", ID_36),))
"""Session and CDR of 2.1.1. Several tokens may share a contract; which one is meant the context must know."""
