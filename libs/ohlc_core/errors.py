"""The errors of all packages, drawn in one file.

PipelineError                        the root; its text is one line for a person, with the remedy
├── SettingsError                    a setting is wrong or missing: exit code 2
├── StoppedError                     asked to stop before the work was done: exit code 0
├── FatalError                       a service cannot recover from it: exit code 1
│   ├── BrokerUnavailableError       no broker answers
│   ├── TopicUnreadableError         a topic cannot be read to its end
│   ├── TopicChangedError            a topic was deleted, recreated or got more partitions
│   ├── OutOfSequenceError           records of a topic were passed over
│   ├── FencedError                  another process runs under the same name
│   └── RecordTooLargeError          the broker takes no record of this size
├── AppendFailedError                what became of the last appends is unknown
├── MalformedMessageError            a record is not one of the contract's messages
├── StoreError                       ohlc_features.errors
│   ├── StoreUnavailableError
│   ├── StoreLostError
│   └── StoreRejectedError
├── ExchangeError                    ohlc_exchanges.base
│   ├── UnknownProductError
│   ├── RateLimitedError
│   ├── ExchangeUnavailableError
│   ├── MalformedResponseError
│   └── HistoryTooShortError
├── SourceError                      ohlc_history.sources.base
├── DisorderError                    ohlc_history.deduplicate
└── StackError, BrokerStartError, KafkaJarsError, UnavailableBrokerError, ProcessDiedError,
    GaveUpError                      local_stack

Whatever of this tree reaches the frame of a service (`ohlc_core.service.runner`) is printed as one
line. Any other exception is a defect and is printed whole.
"""


class PipelineError(Exception):
    """The root of every error this product raises on purpose; the text is one line."""


class SettingsError(PipelineError, ValueError):
    """A setting is wrong or missing; the text names it and the remedy."""


class StoppedError(PipelineError):
    """The process was asked to stop while it waited for something."""


class FatalError(PipelineError):
    """Something a service cannot recover from; the text names the remedy."""


class BrokerUnavailableError(FatalError):
    """The broker at KAFKA_BROKER_ADDRESS did not answer in time."""


class TopicUnreadableError(FatalError):
    """A topic could not be read up to the end it had."""


class TopicChangedError(FatalError):
    """A topic was deleted, recreated or given more partitions while it was in use."""


class OutOfSequenceError(FatalError):
    """Records of a topic were passed over, although the topic holds them."""


class FencedError(FatalError):
    """Another process took this one's place because it has the same name."""


class RecordTooLargeError(FatalError):
    """The broker takes no record of this size."""


class AppendFailedError(PipelineError):
    """What became of the last appends is unknown; only the topic itself shows it."""


class MalformedMessageError(PipelineError, ValueError):
    """A record is not one of the contract's messages; the text says where it differs."""
