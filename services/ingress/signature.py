"""Webhook signatures: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries."""

import hashlib
import hmac


def is_signed(body: bytes, signature: str | None, secret: str) -> bool:
    """Whether `signature`, the `X-Hub-Signature-256` header, was made from the raw body with the secret.

    Compared in constant time. An empty secret signs nothing.
    """
    if not secret or signature is None:
        return False
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
