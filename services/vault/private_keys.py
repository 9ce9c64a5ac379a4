"""The private keys of certificates, sealed: a data key and an item each, by the certificate's fingerprint."""

from pydantic import SecretStr

from records.certificates import Certificate
from records.table import Table
from sealing.seal import DataKeys, place, seal, unseal

_PREFIX = "KEY#"


class PrivateKeys:
    """The private keys that are kept.

    Args:
        table: where.
        keys: their data keys, by the context {certificate}, which is the certificate's domain.
    """

    def __init__(self, table: Table, keys: DataKeys) -> None:
        self._table = table
        self._keys = keys

    def keep(self, certificate: Certificate, private_key: SecretStr) -> None:
        """Seal a certificate's key (PEM), beside those of the domain's other certificates."""
        pk, sk = _key(certificate)
        key = self._keys.make(_context(certificate))
        sealed = seal(key, private_key.get_secret_value().encode(), place(pk, sk))
        self._table.put({"pk": pk, "sk": sk, "key": key.wrapped, "sealed": sealed})

    def open(self, certificate: Certificate) -> SecretStr | None:
        """A certificate's key (PEM), None if it is not kept.

        Raises:
            UnsealError: it was changed, or is another's.
        """
        pk, sk = _key(certificate)
        item = self._table.get(pk, sk)
        if item is None:
            return None
        key = self._keys.open(item["key"], _context(certificate))
        return SecretStr(unseal(key, item["sealed"], place(pk, sk)).decode())

    def forget_others(self, certificate: Certificate) -> None:
        """Delete the keys of the domain's other certificates."""
        pk, kept = _key(certificate)
        for item in list(self._table.query(pk, begins_with=_PREFIX)):
            if item["sk"] != kept:
                self._table.delete(pk, item["sk"])


def _key(certificate: Certificate) -> tuple[str, str]:
    return f"CERTIFICATE#{certificate.domain}", f"{_PREFIX}{certificate.fingerprint}"


def _context(certificate: Certificate) -> dict[str, str]:
    return {"certificate": certificate.domain}
