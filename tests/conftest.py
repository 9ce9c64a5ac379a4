from collections.abc import Iterator

import pytest

from tests.unit.dynamodb import Local, local_aws


@pytest.fixture
def local() -> Iterator[Local]:
    """A pk/sk table and KMS, in moto."""
    with local_aws() as local:
        yield local
