"""Where the specification leaves something open, what is decided here, and the test that holds each decision.

Most of them live beside the code they are about; here they are listed, and the list fails when one of them goes.
"""

import ast
import json
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import pytest

from roaming.hub.judging import remote_address
from roaming.ocpi.answers import Answer, Outcome
from tests.kit.hub_in_process import HubInProcess, hub_in_process

TESTS = Path(__file__).parents[2]

DECISIONS: dict[str, tuple[str, ...]] = {
    "1 credentials token in Base64 or raw, with a newline inside too": (
        "test_a_token_is_taken_with_and_without_base64",
        "test_a_trailing_newline_inside_base64_is_dropped",
        "test_a_partner_that_takes_the_token_raw_is_spoken_to_so",
        "test_tokens_are_sent_as_the_version_says",
    ),
    "2 addresses with and without a slash, no redirect": (
        "test_an_address_with_a_slash_at_its_end_is_the_same",
        "test_exactly_one_slash",
        "test_redirects_are_not_followed",
    ),
    "3 the envelope counts on any HTTP status, which decides without one": (
        "test_an_error_envelope_counts_on_any_http_status",
        "test_an_envelope_decides",
        "test_each_error_knows_its_statuses",
    ),
    "4 an unknown token is 404 with 2004": (
        "test_an_unknown_token_is_2004",
        "test_not_found_is_narrowed_for_one_answer_only",
    ),
    "5 401 for a bad credentials token, 403 is read alike": (
        "test_nobody_gets_in_without_a_token",
        "test_403_instead_of_401_is_a_token_refused_not_an_answer",
    ),
    "6 old and new token during registration and renewal": (
        "test_token_a_lives_until_c_is_used",
        "test_both_tokens_are_good_after_a_lost_answer",
        "test_with_grace_they_are_good_a_little_longer",
    ),
    "7 GET credentials answers with ours, the token as it was sent": (
        "test_get_answers_with_ours_and_the_token_that_asked",
        "test_a_partner_registers",
    ),
    "8 evses in a PATCH are merged by uid, other lists replaced": (
        "test_evses_in_a_location_are_merged_by_uid",
        "test_connectors_in_an_evse_are_replaced",
        "test_a_changed_status_is_sent_alone",
    ),
    "9 charging periods in a PATCH are added": (
        "test_a_patch_adds_periods_and_a_repeat_doubles_nothing",
        "test_charging_periods_are_added_in_order_and_a_repeat_is_harmless",
    ),
    "10 null, absent and empty are one; null clears in a PATCH": (
        "test_null_and_empty_mean_absent",
        "test_null_clears_what_is_optional",
        "test_null_on_what_is_required_is_refused",
    ),
    "11 last_updated older is acknowledged and ignored, missing is the time of receipt in 2.1.1": (
        "test_an_older_put_is_acknowledged_and_left_alone",
        "test_a_body_without_owner_and_time_is_stored",
        "test_since_2_2_both_are_required",
        "test_a_patch_without_last_updated_is_refused",
    ),
    "12 paging while data changes, headers missing, links odd": (
        "test_following_the_link_visits_everything_once",
        "test_objects_twice_and_changes_while_it_is_read",
        "test_links_as_partners_write_them",
        "test_relative_links_and_bare_rel",
        "test_a_list_without_paging_headers_is_read_to_its_end",
        "test_a_delta_asks_for_what_changed_since_the_newest_seen",
    ),
    "13 any offset, none is UTC, any fraction; Z and three digits out": (
        "test_times_as_partners_write_them",
        "test_times_go_out_in_utc",
        "test_times_are_cut_to_milliseconds",
        "test_a_time_without_zone_does_not_go_out",
    ),
    "14 hours and tariffs are local to the location": (
        "test_times_are_local_to_the_location",
        "test_weekdays_are_local_and_of_the_moment",
    ),
    "15 owner in path and body must agree, the parent be known": (
        "test_body_and_address_must_name_the_same_object",
        "test_nobody_pushes_for_a_party_that_is_not_its_own",
        "test_an_evse_and_a_connector_are_put_below_what_is_there",
    ),
    "16 which routing is meant, and how open routing chooses": (
        "test_an_unknown_token_is_asked_of_all_and_the_first_that_allows_it_wins",
        "test_a_known_token_is_asked_of_its_emsp_alone",
        "test_unknown_parties_and_those_without_agreement_read_the_same",
    ),
    "17 stored and told where it is for all, forwarded only where it is for one": (
        "test_a_location_for_all_reaches_the_emsp_under_agreement_only",
        "test_a_location_for_one_party_is_told_to_nobody_else",
        "test_what_the_hub_stores_is_not_touched_by_what_it_passes_on",
    ),
    "18 HUB is a role in 2.2.1 and a field in 2.3.0": (
        "test_a_hub_is_a_role_in_2_2_1_and_a_field_in_2_3_0",
        "test_hub_from_a_partner_of_2_3_0_is_taken_with_a_finding",
    ),
    "19 a party can be claimed once, and only by whom it was agreed with": (
        "test_a_party_of_somebody_else_cannot_be_claimed",
        "test_only_parties_that_were_agreed_on_are_taken",
    ),
    "20 CommandResult bare or wrapped in, bare out, to response_url": (
        "test_a_wrapped_result_is_understood",
        "test_a_result_in_an_envelope_is_passed_on_bare",
        "test_a_result_is_told_to_whoever_asked_at_its_own_address_only",
    ),
    "21 where a CDR is kept; a repeat has the same address": (
        "test_a_cdr_is_taken_once_and_found_at_its_location",
        "test_where_a_cdr_is_kept_is_an_address_of_ours",
        "test_the_address_of_a_cdr_in_header_or_data",
    ),
    "22 the token's owner owns sessions and CDRs; #NA where there is no evse_id": (
        "test_sessions_and_cdrs_go_to_the_owner_of_the_token_only",
        "test_an_evse_without_evse_id_is_na_in_later_versions",
        "test_one_of_several_evses_is_that_of_the_open_session",
    ),
    "23 credits are full and negative in total_cost alone": (
        "test_only_the_total_is_negative",
        "test_only_a_credit_may_be_negative",
    ),
    "24 step_size, parking, rounding, VAT": (
        "test_parking_begins_when_the_vehicle_asks_for_no_power",
        "test_rounding_happens_once_at_the_end",
        "test_vat_absent_is_none_due_and_zero_is_a_rate",
        "test_a_cdr_of_our_own_is_right",
    ),
    "25 whitelist against valid; nobody is asked about a token that came in a command": (
        "test_whitelist_against_valid",
        "test_whitelist",
        "test_a_pending_command_answers_without_asking",
        "test_a_reservation_authorises_its_driver_until_it_is_over",
        "test_a_remote_start_tells_the_adapter_whose_token_it_is",
    ),
    "RESERVED and RESERVATION": ("test_both_spellings_of_a_reservation_are_understood",),
    "what vanishes without REMOVED is hidden": (
        "test_missing_locations_are_hidden_and_come_back",
        "test_what_is_not_published_is_for_its_owner_only",
    ),
    "retry or not": (
        "test_a_partner_that_was_down_gets_the_latest_state_once",
        "test_records_arrive_all_in_order_and_once_through_every_fault",
    ),
    "a token without type in 2.1.1; case of ids": (
        "test_a_contract_means_the_card_before_the_app",
        "test_ids_differ_in_case_only_and_keep_their_spelling",
    ),
    "tariffs overlap: the newest start; named but never told: no price; another one per receiver": (
        "test_of_overlapping_tariffs_the_newest_start_holds",
        "test_a_tariff_that_is_named_and_was_never_told_is_no_free_charge",
        "test_a_connector_without_tariff_is_told_from_one_whose_tariff_is_not_known",
        "test_the_charge_costs_what_its_emsp_is_shown",
        "test_a_driver_of_another_emsp_pays_what_the_connector_says",
        "test_a_view_says_what_the_rules_say",
    ),
    "tariff ids clash behind a clearing house: the owner is in every key": (
        "test_one_id_of_two_operators_is_two_tariffs",
    ),
    "delegated smart charging: no owner in the address, so sessions have ids of our own": (
        "test_who_charges_smartly_names_sessions_as_we_do",
        "test_no_two_charges_have_one_session_id",
        "test_of_two_sessions_with_one_id_the_operator_must_be_named",
    ),
    "hubclientinfo is keyed with the role": ("test_of_two_roles_the_connected_one_is_got",),
    "credentials stand in the details once, as SENDER; a second entry is ignored": (
        "test_credentials_are_listed_once_as_sender",
        "test_a_platform_is_registered_with_all_the_same",
    ),
    "no data in answers to PUT and PATCH, anything accepted": (
        "test_success_without_data_has_no_data_field",
        "test_json_without_an_envelope_is_handed_on",
    ),
    "all parking counts, free or not": (
        "test_all_parking_counts_free_or_not",
        "test_charging_and_parking_fit_into_the_session",
    ),
    "duplicate START_SESSION: one command to the station within 60 s, one result for both": (
        "test_the_second_start_gets_the_result_of_the_first",
        "test_two_at_once_are_one_command",
        "test_silence_of_the_station_is_no_leave_to_ask_it_twice",
        "test_what_the_station_refused_may_be_tried_again",
    ),
    "TIMEOUT first, the session later: shown, or stopped where the operator says so": (
        "test_a_charge_that_begins_after_timeout_is_shown_or_stopped",
    ),
    "partners without routing headers": (
        "test_without_from_the_only_party_of_the_caller_speaks",
        "test_a_2_1_1_operator_is_understood_without_headers",
    ),
}
"""By the number and words of the decision: the tests that hold it."""


@cache
def _tests() -> frozenset[str]:
    return frozenset(
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_is_held_by_tests(decision: str) -> None:
    assert DECISIONS[decision]
    assert [name for name in DECISIONS[decision] if name not in _tests()] == []


def test_all_25_are_there() -> None:
    numbers = [int(word) for name in DECISIONS if (word := name.split()[0]).isdigit()]
    assert numbers == list(range(1, 26))


@pytest.fixture
async def hub(sqlite_url: str, tmp_path: Path) -> AsyncIterator[HubInProcess]:
    async with hub_in_process(sqlite_url, tmp_path) as running:
        yield running


async def test_credentials_are_listed_once_as_sender(hub: HubInProcess) -> None:
    details = (await hub.call("aaa", "GET", "/2.2.1")).data
    found = [endpoint["role"] for endpoint in details["endpoints"] if endpoint["identifier"] == "credentials"]
    assert found == ["SENDER"]


@pytest.mark.parametrize(
    ("headers", "data", "address"),
    [
        ({"location": "https://a.example/1"}, None, "https://a.example/1"),
        ({}, '"https://a.example/2"', "https://a.example/2"),
        ({}, '{"url": "https://a.example/3"}', "https://a.example/3"),
        ({"location": "https://a.example/1"}, '"https://a.example/2"', "https://a.example/1"),
        ({}, '"stored"', ""),
        ({}, '{"url": 3}', ""),
        ({}, "[]", ""),
    ],
)
def test_the_address_of_a_cdr_in_header_or_data(headers: dict[str, str], data: str | None, address: str) -> None:
    parsed = json.loads(data) if data is not None else None
    assert remote_address(Answer(outcome=Outcome.DELIVERED, headers=headers, data=parsed)) == address
