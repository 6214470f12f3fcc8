"""Signatures are those of the Standard Webhooks specification: its own example, and what makes one worthless."""

import pytest

from roaming.feed.signing import UnfitSecret, check_secret, new_secret, signed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'


def test_the_example_of_the_specification() -> None:
    headers = signed(BODY, id=ID, timestamp=AT, secrets=[SECRET])
    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_sign_beside_each_other() -> None:
    other = new_secret()
    one = signed(BODY, id=ID, timestamp=AT, secrets=[SECRET])["webhook-signature"]
    two = signed(BODY, id=ID, timestamp=AT, secrets=[other])["webhook-signature"]
    assert signed(BODY, id=ID, timestamp=AT, secrets=[other, SECRET])["webhook-signature"] == f"{two} {one}"
    assert len({check_secret(new_secret()) for _ in range(20)}) == 20


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_####", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ="])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(UnfitSecret, match="whsec_"):
        check_secret(secret)
