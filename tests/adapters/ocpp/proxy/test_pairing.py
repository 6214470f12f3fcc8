"""Requests and answers find each other; what never finds its answer comes out without."""

from datetime import UTC, datetime, timedelta

from adapters.ocpp import frames
from adapters.ocpp.frames import Call
from adapters.ocpp.proxy.pairing import LATEST, MOST_OPEN, Exchange, Pairing

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)


def ask(pairing: Pairing, text: str, at: datetime = NOW) -> list[Exchange]:
    return list(pairing.asked(frames.parse(text), text.encode(), at))


def answer(pairing: Pairing, text: str) -> list[Exchange]:
    return list(pairing.answered(frames.parse(text)))


def ids(exchanges: list[Exchange]) -> list[str | int]:
    return [exchange.request.id for exchange in exchanges]


def test_a_request_comes_out_with_its_answer() -> None:
    pairing = Pairing()
    assert ask(pairing, '[2,"1","Heartbeat",{}]') == []
    (exchange,) = answer(pairing, '[3,"1",{"currentTime":"x"}]')
    assert isinstance(exchange.request, Call)
    assert (exchange.request.action, exchange.raw, exchange.received_at) == (
        "Heartbeat",
        b'[2,"1","Heartbeat",{}]',
        NOW,
    )
    assert exchange.reply == frames.CallResult("1", {"currentTime": "x"})
    assert answer(pairing, '[3,"1",{}]') == []
    assert pairing.unasked == 1


def test_numbers_as_ids_pair_with_texts() -> None:
    pairing = Pairing()
    ask(pairing, '[2,7,"Heartbeat",{}]')
    assert len(answer(pairing, '[4,"7","GenericError","",{}]')) == 1


def test_the_order_is_that_of_the_answers() -> None:
    pairing = Pairing()
    for number in "123":
        ask(pairing, f'[2,"{number}","Heartbeat",{{}}]')
    assert ids(answer(pairing, '[3,"2",{}]')) == ["2"]
    assert ids(list(pairing.end())) == ["1", "3"]
    assert pairing.unanswered == 2


def test_what_wants_no_answer_and_what_is_no_frame_comes_out_at_once() -> None:
    pairing = Pairing()
    assert ids(ask(pairing, '[6,"s","NotifyPeriodicEventStream",{}]')) == ["s"]
    assert len(ask(pairing, '[2,"b","Broken",{')) == 1
    assert list(pairing.end()) == []


def test_the_requests_of_the_central_system_are_passed_over() -> None:
    pairing = Pairing()
    assert answer(pairing, '[2,"1","Reset",{"type":"Soft"}]') == []
    assert ask(pairing, '[3,"1",{"status":"Accepted"}]') == []
    assert (pairing.unasked, pairing.unanswered) == (0, 0)


def test_the_same_id_in_both_directions_is_two_things() -> None:
    pairing = Pairing()
    ask(pairing, '[2,"1","Heartbeat",{}]')
    answer(pairing, '[2,"1","Reset",{"type":"Soft"}]')
    ask(pairing, '[3,"1",{"status":"Accepted"}]')
    assert ids(answer(pairing, '[3,"1",{}]')) == ["1"]


def test_an_id_that_is_used_again_gives_up_the_first() -> None:
    pairing = Pairing()
    ask(pairing, '[2,"1","Heartbeat",{}]')
    (given_up,) = ask(pairing, '[2,"1","StatusNotification",{}]')
    assert given_up.reply is None
    (exchange,) = answer(pairing, '[3,"1",{}]')
    assert isinstance(exchange.request, Call)
    assert exchange.request.action == "StatusNotification"


def test_nobody_waits_for_ever() -> None:
    pairing = Pairing()
    ask(pairing, '[2,"old","Heartbeat",{}]')
    assert ids(ask(pairing, '[2,"new","Heartbeat",{}]', NOW + LATEST)) == ["old"]
    for number in range(MOST_OPEN - 1):
        assert ask(pairing, f'[2,"{number}","Heartbeat",{{}}]', NOW + LATEST) == []
    assert ids(ask(pairing, '[2,"more","Heartbeat",{}]', NOW + LATEST + timedelta(seconds=1))) == ["new"]
