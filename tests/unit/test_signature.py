import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.signature import is_signed

SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_githubs_own_example_is_signed() -> None:
    assert is_signed(BODY, SIGNATURE, SECRET)


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        SIGNATURE.upper(),
        SIGNATURE.removeprefix("sha256="),
        SIGNATURE[:-1],
        SIGNATURE + "0",
        "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
        "sha256=é",
        "sha256=\ud800",
    ],
)
def test_anything_but_the_signature_is_refused(signature: str | None) -> None:
    assert not is_signed(BODY, signature, SECRET)


def test_an_empty_secret_signs_nothing() -> None:
    empty = "sha256=" + hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    assert not is_signed(BODY, empty, "")


@given(body=st.binary(), other=st.binary(), secret=st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_signature_is_good_for_its_body_alone(body: bytes, other: bytes, secret: str) -> None:
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert is_signed(other, signature, secret) == (other == body)
