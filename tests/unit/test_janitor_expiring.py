"""The days that own domains' certificates are good for."""

from datetime import timedelta

import pytest

from choreography import measures
from choreography.measures import Measure
from janitor.expiring import Expiring
from janitor.watch import Watch
from records.certificates import Certificate, Certificates
from tests.simulation.memory_table import MemoryTable
from tests.unit.record_examples import NOW


def certificate(domain: str, days: float) -> Certificate:
    return Certificate(
        domain=domain,
        names=(f"*.{domain}",),
        chain="planted",
        not_after=NOW + timedelta(days=days),
        fingerprint="0" * 64,
        imported_at=NOW,
    )


@pytest.mark.parametrize(("days", "measured"), [([], []), ([40, 12, 90], [12]), ([-3], [0])])
def test_the_first_to_expire_is_measured(
    monkeypatch: pytest.MonkeyPatch, days: list[float], measured: list[float]
) -> None:
    kept: list[Measure] = []
    monkeypatch.setattr(measures, "_record", kept.append)
    certificates = Certificates(MemoryTable())
    for number, left in enumerate(days):
        certificates.keep(certificate(f"previews{number}.example.com", left))
    assert Expiring(certificates)(Watch(NOW, lambda: timedelta(minutes=15))) == []
    assert [(one.name, one.value) for one in kept] == [("CertificateDays", left) for left in measured]
