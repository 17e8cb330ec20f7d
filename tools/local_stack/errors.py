"""What ends a local run."""

from ohlc_core.errors import PipelineError


class StackError(PipelineError):
    """The run cannot go on; the text says why and what to do.

    Attributes:
        exit_code: 2 for wrong settings, else 1.
    """

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code
