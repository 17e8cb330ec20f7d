"""What every feature store does for the writer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from ohlc_core.domain.candle import Candle

if TYPE_CHECKING:
    from ohlc_features.define.group import FeatureGroup
    from ohlc_features.define.loading import DefinedGroup
    from ohlc_features.define.observer import Observer
    from ohlc_features.reading.source import CandleSource
    from ohlc_features.replacement import OnlineKey
    from ohlc_features.schema import FeatureRow, Origin
    from ohlc_features.settings import FeatureStoreSettings


class FeatureStore(Protocol):
    """A place where candles are kept for models.

    Whatever the store, writing the same candles again, in any order and any batches, ends in the
    same contents: of each window the candle that `ohlc_features.replacement.rank` puts first,
    online the newest complete window.
    """

    def write(self, candles: Sequence[Candle]) -> int:
        """Keep ``candles``, all of them or none; on return they are durable.

        Returns:
            How many incomplete candles were left out, their windows not being held.

        Raises:
            StoreUnavailableError: the same call may succeed later.
            StoreRejectedError: it will not.
        """

    def close(self) -> None:
        """Close files and connections. The store cannot be used afterwards."""


@runtime_checkable
class LosableStore(FeatureStore, Protocol):
    """A store whose contents can be deleted under a running writer: a file.

    Its `write` raises StoreLostError when that has happened.
    """

    def is_lost(self) -> bool:
        """Return whether what was kept is gone."""

    def reopen(self) -> None:
        """Make the store again, empty.

        Raises:
            StoreUnavailableError: it cannot be opened for now.
            StoreRejectedError: it cannot be opened.
        """


@runtime_checkable
class FeatureGroupStore(FeatureStore, Protocol):
    """A store that keeps rows of feature groups beside the candles."""

    def unmaintained_groups(self) -> list[str]:
        """Return the stored feature groups whose rows this store does not keep in step."""


@runtime_checkable
class NewestRowsStore(FeatureStore, Protocol):
    """A store that can say which rows are its newest."""

    def newest_rows(self, keys: "Sequence[OnlineKey]") -> "list[FeatureRow]":
        """Return the newest complete rows of some products and intervals.

        Raises:
            StoreUnavailableError, StoreRejectedError: it cannot be read.
        """


class GroupRow(NamedTuple):
    """One row of a feature group.

    Attributes:
        window_start, window_end: ms UTC; the end is the event time.
        values: in the order of the group's features; None where a feature is not defined.
        complete: whether no candle of the row's windows was missing.
    """

    exchange: str
    product_id: str
    candle_interval: str
    window_start: int
    window_end: int
    values: tuple[float | None, ...]
    complete: bool


class GroupRowSink(FeatureStore, Protocol):
    """A store that takes rows of feature groups made elsewhere."""

    def write_rows(self, group: "FeatureGroup", rows: Sequence[GroupRow]) -> None:
        """Keep rows, each in place of an earlier one of its key and window.

        Raises:
            StoreUnavailableError: some may be kept; the same call may succeed later.
            StoreRejectedError: it will not.
        """


class StorePlugin(Protocol):
    """What the entry point of a store refers to: a module or class with these functions."""

    def open_store(
        self,
        settings: "FeatureStoreSettings",
        *,
        origin: "Origin",
        write_incomplete: bool,
        definitions: "Sequence[DefinedGroup]",
        observer: "Observer | None",
    ) -> FeatureStore:
        """Open the store for writing; arguments and errors as `ohlc_features.factory.open_store`.

        A store without feature groups refuses definitions with StoreRejectedError.
        """

    def open_reading(self, settings: "FeatureStoreSettings") -> "CandleSource":
        """Open the store for reading.

        Raises:
            StoreUnavailableError: it cannot be reached at the moment.
            StoreRejectedError: it cannot be opened, or not be read.
        """
