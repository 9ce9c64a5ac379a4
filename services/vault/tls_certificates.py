"""The certificate that an own host name is served with, and its key."""

from dataclasses import dataclass
from datetime import timedelta

from choreography.clock import Clock
from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from records.certificates import Certificates
from sealing.bundles import TlsCertificate
from sealing.seal import KeyRefusedError, UnsealError
from vault.private_keys import PrivateKeys

_IMPORT = "use `prestage certificates import`, then retry"
_LOOK_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True)
class TlsCertificates:
    """What own host names are served with."""

    certificates: Certificates
    private_keys: PrivateKeys
    clock: Clock

    def __call__(self, host: str) -> TlsCertificate:
        """The certificate for the host name, with its key.

        Raises:
            RefusedError: there is none, it has expired, or its key can't be decrypted.
            BrokenError: KMS refuses the key's data key.
            RetryLaterError: it is being replaced.
        """
        found = self.certificates.covering(host)
        if found is None:
            raise RefusedError("certificate_missing", f"No certificate covers {host}: {_IMPORT}")
        if found.not_after <= self.clock():
            told = f"The certificate of {found.domain} expired on {found.not_after:%Y-%m-%d}: {_IMPORT}"
            raise RefusedError("certificate_expired", told)
        try:
            private_key = self.private_keys.open(found)
        except KeyRefusedError:
            told = "KMS refuses to open the certificate's private key: is the key enabled?"
            raise BrokenError("key_refused", told) from None
        except UnsealError:
            told = f"The private key of {found.domain} can't be decrypted: {_IMPORT}"
            raise RefusedError("certificate_unreadable", told) from None
        if private_key is None:
            raise RetryLaterError("the certificate is being replaced", _LOOK_AGAIN)
        return TlsCertificate(found.chain, private_key, found.not_after)
