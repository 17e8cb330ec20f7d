"""A line that shows how far a benchmark is."""

import sys


class Progress:
    """Says what goes on; on a terminal the line is replaced, elsewhere only the kept ones show."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._length = 0

    def say(self, text: str) -> None:
        """Show a line until the next one comes."""
        if self._is_terminal:
            sys.stderr.write("\r" + text.ljust(self._length))
            sys.stderr.flush()
            self._length = len(text)

    def keep(self, text: str) -> None:
        """Print a line that stays."""
        if self._is_terminal:
            sys.stderr.write("\r" + " " * self._length + "\r")
            sys.stderr.flush()
            self._length = 0
        print(text, flush=True)
