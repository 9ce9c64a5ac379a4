"""Certificates of own domains that expire: nothing is stated, the days that are left are measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from choreography import measures
from choreography.measures import Measure
from janitor.finding import Finding
from janitor.watch import Watch
from records.certificates import Certificates

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Expiring:
    """The look. It asks the records only."""

    certificates: Certificates

    def __call__(self, watch: Watch) -> Sequence[Finding]:
        """Measure the days that the first one to expire is good for; where there are none, nothing."""
        left = [certificate.not_after - watch.began for certificate in self.certificates.list_all()]
        if left:
            measures.record(Measure("CertificateDays", max(min(left) / _DAY, 0.0)))
        return []
