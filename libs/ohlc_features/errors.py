"""What can go wrong with a feature store.

StoreError
├── StoreUnavailableError   for now: the same call may succeed later
├── StoreLostError          what it kept is gone: it must be made again
└── StoreRejectedError      for good: only a person can put it right
"""

from ohlc_core.errors import PipelineError


class StoreError(PipelineError):
    """A feature store did not do what was asked; the text is one line."""


class StoreUnavailableError(StoreError):
    """The store cannot serve at the moment: locked, full, unreachable, overloaded.

    Nothing of the call was kept, or repeating it changes nothing: every write is an upsert.

    Attributes:
        retry_after: seconds the store asked to be left alone, or None when it named none.
    """

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class StoreLostError(StoreError):
    """What the store kept was deleted or replaced under it; nothing of it may count as kept."""


class StoreRejectedError(StoreError):
    """The store refuses for good: wrong key, wrong schema, no such project, no permission."""
