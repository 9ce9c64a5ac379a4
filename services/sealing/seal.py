"""Envelope encryption: values are sealed with AES-256-GCM under data keys, and data keys by KMS."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_NONCE = 12
_TAG = 16

OVERHEAD = _NONCE + _TAG
"""How many bytes longer than its plaintext a sealed value is."""

_MAX_WRAPPED = 6144
"""What KMS takes as a ciphertext."""

_REFUSED = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "IncorrectKeyException",
        "KMSInvalidStateException",
        "NotFoundException",
    }
)


class UnsealError(Exception):
    """What was sealed can't be opened: it was changed, or is for another key, context or place."""


class KeyRefusedError(UnsealError):
    """KMS refuses the data key: its own key may not be used by the caller, is disabled, or is another one.

    KMS says no more than that, so that a changed data key may end here too.
    """


@dataclass(frozen=True)
class DataKey:
    """A key for `seal`: in plain (32 bytes), and as it may be kept: wrapped by KMS."""

    plain: bytes = field(repr=False)
    wrapped: bytes


class DataKeys:
    """Data keys under one KMS key.

    A context is the KMS encryption context: a data key opens only under exactly the one that it was made under.
    CloudTrail shows contexts to anyone who may read it.

    Args:
        client: a KMS client.
        key_arn: of the KMS key.
    """

    def __init__(self, client: "KMSClient", key_arn: str) -> None:
        self._client = client
        self._key_arn = key_arn

    def make(self, context: Mapping[str, str]) -> DataKey:
        """A new data key. One call of GenerateDataKey, whose errors are the caller's."""
        made = self._client.generate_data_key(KeyId=self._key_arn, KeySpec="AES_256", EncryptionContext=context)
        return DataKey(plain=made["Plaintext"], wrapped=made["CiphertextBlob"])

    def open(self, wrapped: bytes, context: Mapping[str, str]) -> DataKey:
        """The data key that was kept wrapped. One call of Decrypt; what is an outage of KMS is not caught here.

        Raises:
            UnsealError: it was changed, or made under another context.
            KeyRefusedError: KMS refuses.
        """
        if not 1 <= len(wrapped) <= _MAX_WRAPPED:
            raise UnsealError("the data key is not one that KMS made")
        try:
            opened = self._client.decrypt(KeyId=self._key_arn, CiphertextBlob=wrapped, EncryptionContext=context)
        except self._client.exceptions.InvalidCiphertextException:
            raise UnsealError("KMS can't open the data key: it was changed, or is for something else") from None
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _REFUSED:
                raise
            raise KeyRefusedError(f"KMS refuses to open the data key ({code})") from None
        return DataKey(plain=opened["Plaintext"], wrapped=wrapped)


def place(*parts: str) -> bytes:
    """Associated data that says where a sealed value is kept, so that it opens nowhere else."""
    return json.dumps(parts).encode()


def seal(key: DataKey, plaintext: bytes, associated_data: bytes) -> bytes:
    """The plaintext, sealed: nonce (12 bytes), ciphertext, tag (16 bytes). It opens only with the same key and data.

    The nonce is random: a key is good for 2^32 seals (NIST SP 800-38D, section 8.3).
    """
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key.plain).encrypt(nonce, plaintext, associated_data)


def unseal(key: DataKey, sealed: bytes, associated_data: bytes) -> bytes:
    """The plaintext that `seal` was given.

    Raises:
        UnsealError: it was changed, or sealed with another key or other associated data.
    """
    if len(sealed) < OVERHEAD:
        raise UnsealError("it was cut short")
    try:
        return AESGCM(key.plain).decrypt(sealed[:_NONCE], sealed[_NONCE:], associated_data)
    except InvalidTag:
        raise UnsealError("it was changed, or sealed for something else") from None
