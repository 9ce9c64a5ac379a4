from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.unit.dynamodb import Local, local_aws

# A machine that others use too is slow now and then: no example fails for its time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def local() -> Iterator[Local]:
    """A pk/sk table and KMS, in moto."""
    with local_aws() as local:
        yield local
