"""What is there from its construction until `close`, as a context manager."""

from types import TracebackType
from typing import Self


class Closing:
    """Closes at the end of a `with` block."""

    def close(self) -> None:
        """End it, and remove what it left."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
