import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roaming.ocpi.credentials_token import (
    MAX_HEADER,
    candidates,
    derive_key,
    digest,
    encoding_used,
    header_value,
    new_token,
    seal,
    unseal,
)
from roaming.ocpi.errors import SealBroken, ServerError, Unauthorized

KEY = derive_key("a secret of the installation", "seal")
tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_base64_comes_first_then_raw() -> None:
    assert candidates(f"Token {encoded('secret-1')}") == ("secret-1", encoded("secret-1"))
    assert candidates("Token secret-1") == ("secret-1",)


def test_a_trailing_newline_inside_base64_is_dropped() -> None:
    assert candidates(f"Token {encoded('secret-1' + chr(10))}")[0] == "secret-1"
    assert candidates(f"Token {encoded('secret-1' + chr(13) + chr(10))}")[0] == "secret-1"


@pytest.mark.parametrize("scheme", ["Token", "token", "TOKEN", "tOkEn"])
@pytest.mark.parametrize("gap", [" ", "   "])
def test_scheme_in_any_case_and_any_number_of_spaces(scheme: str, gap: str) -> None:
    assert candidates(f"{scheme}{gap}secret-1 ") == ("secret-1",)


@pytest.mark.parametrize(
    "value", [encoded("a b"), encoded("tab\t"), encoded("two\n\n"), "c2VjcmV0LTE", "c2Vj-_==", encoded("\x00")]
)
def test_what_decodes_to_no_token_is_raw_only(value: str) -> None:
    assert candidates(f"Token {value}") == (value,)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Token",
        "Token ",
        "Bearer secret-1",
        "Basic c2VjcmV0",
        "secret-1",
        "Tokensecret-1",
        "Token two words",
        "Token secret\x00",
        "Token gehéim",
        "Token " + "x" * MAX_HEADER,
    ],
)
def test_what_cannot_be_a_token_is_unauthorized_and_not_quoted(header: str | None) -> None:
    with pytest.raises(Unauthorized) as caught:
        candidates(header)
    for secret in ("secret-1", "c2VjcmV0", "words", "gehéim"):
        assert secret not in caught.value.message


@given(tokens)
def test_every_token_is_found_in_both_forms(token: str) -> None:
    for encoding in ("base64", "raw"):
        header = header_value(token, encoding)
        assert token in candidates(header)
        assert len(candidates(header)) <= 2
        assert encoding_used(header, token) == encoding


@given(st.text(max_size=600))
def test_a_header_is_read_or_unauthorized(header: str) -> None:
    try:
        found = candidates(header)
    except Unauthorized:
        return
    assert all(candidate.isascii() and candidate.isprintable() and " " not in candidate for candidate in found)


def test_new_tokens_fit_the_specification_and_have_one_reading() -> None:
    made = {new_token() for _ in range(200)}
    assert len(made) == 200
    for token in made:
        assert len(token) <= 64
        assert len(set(token)) > 10
        assert candidates(f"Token {token}") == (token,)


def test_a_new_token_is_never_taken_for_an_option() -> None:
    assert not [token for token in (new_token() for _ in range(2_000)) if token.startswith("-")]


def test_digests_depend_on_token_and_pepper() -> None:
    assert digest("a", b"p") == digest("a", b"p")
    assert len({digest("a", b"p"), digest("b", b"p"), digest("a", b"q")}) == 3
    assert "secret-1" not in digest("secret-1", b"p")


def test_one_secret_gives_different_keys_for_different_purposes() -> None:
    assert derive_key("s", "seal") != derive_key("s", "pepper") != derive_key("t", "pepper")
    assert len(KEY) == 32


@given(text=st.text(max_size=80), bound_to=st.text(max_size=10))
def test_sealed_texts_come_back(text: str, bound_to: str) -> None:
    sealed = seal(text, KEY, bound_to=bound_to)
    assert unseal(sealed, KEY, bound_to=bound_to) == text
    assert sealed != seal(text, KEY, bound_to=bound_to)


def test_a_sealed_text_opens_for_its_key_and_owner_only() -> None:
    sealed = seal("secret-1", KEY, bound_to="partner-1")
    assert "secret-1" not in sealed
    changed = sealed[:20] + ("A" if sealed[20] != "A" else "B") + sealed[21:]
    for attempt in (
        lambda: unseal(sealed, derive_key("other", "seal"), bound_to="partner-1"),
        lambda: unseal(sealed, KEY, bound_to="partner-2"),
        lambda: unseal(changed, KEY, bound_to="partner-1"),
        lambda: unseal("secret-1", KEY, bound_to="partner-1"),
        lambda: unseal("gcm1:", KEY, bound_to="partner-1"),
        lambda: unseal("", KEY, bound_to="partner-1"),
    ):
        with pytest.raises(SealBroken) as caught:
            attempt()
        assert isinstance(caught.value, ServerError)
        assert isinstance(caught.value, ValueError)
