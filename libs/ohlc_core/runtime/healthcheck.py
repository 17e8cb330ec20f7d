"""Ask this machine's service for progress: ``python -m ohlc_core.runtime.healthcheck``.

Exit code 0 while ``/health`` at METRICS_PORT answers 200, else 1 with one line saying why.
"""

import os
import sys
import urllib.error
import urllib.request

_TIMEOUT_SECONDS = 3.0


def problem(port: str) -> str:
    """Return why the service at this port of the loopback is not healthy; empty when it is."""
    if not port:
        return "METRICS_PORT is not set, so there is no /health to ask"
    url = f"http://127.0.0.1:{port}/health"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")
    except OSError as error:
        return f"{url} did not answer: {error}"


def main() -> int:
    """Return the exit code, and say on stderr what is wrong."""
    why = problem(os.environ.get("METRICS_PORT", ""))
    if why:
        sys.stderr.write(why + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
