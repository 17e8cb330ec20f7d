"""Logging in to Hopsworks, once a process."""

import contextlib
import os
import sys
import tempfile
from typing import Any

from ohlc_features.errors import StoreRejectedError
from ohlc_features.hopsworks.errors import hopsworks_error
from ohlc_features.settings import FeatureStoreSettings

_CONNECT_SECONDS = 5.0
_DEFAULT_PORT = 443


class HopsworksSession:
    """A login to one project.

    Attributes:
        feature_store: the project's, as the hopsworks client gives it.
        host: HOPSWORKS_HOST, for messages.
        project: HOPSWORKS_PROJECT_NAME, for messages.
    """

    def __init__(self, settings: FeatureStoreSettings) -> None:
        self.host = settings.hopsworks_host
        self.project = settings.hopsworks_project_name
        self._module = _import(settings.hopsworks_timeout_seconds)
        # Of this process alone: another one's logout would delete shared certificates.
        self._certificates = tempfile.TemporaryDirectory(prefix="hopsworks-")
        name, _, port = self.host.partition(":")
        try:
            with contextlib.redirect_stdout(sys.stderr):
                project = self._module.login(
                    host=name,
                    port=int(port or _DEFAULT_PORT),
                    project=self.project,
                    api_key_value=settings.hopsworks_api_key.get_secret_value(),
                    hostname_verification=True,
                    trust_store_path=settings.hopsworks_ca_location or None,
                    cert_folder=self._certificates.name,
                    engine="python",
                )
                self.feature_store: Any = project.get_feature_store()
        except Exception as error:
            self._certificates.cleanup()
            raise hopsworks_error(error, self.host, self.project) from None

    def close(self) -> None:
        """Log out and delete the certificates."""
        with contextlib.suppress(Exception), contextlib.redirect_stdout(sys.stderr):
            self._module.logout()
        self._certificates.cleanup()


def _import(timeout_seconds: float) -> Any:  # noqa: ANN401 - the client is not typed
    """Import the client, which is only there where it was asked for, and give it deadlines."""
    os.environ["TQDM_DISABLE"] = "1"  # a progress bar a batch is no log
    try:
        import hopsworks
        import requests.sessions
    except ModuleNotFoundError as error:
        raise StoreRejectedError(
            f"FEATURE_STORE=hopsworks needs the hopsworks client, but {error.name} is not "
            "installed; pip install -r requirements/hopsworks.txt"
        ) from None
    # The client passes no time-out and would wait for ever for a backend that hangs. Sessions
    # made from here on have one; this process talks REST to nobody else.
    requests.sessions.HTTPAdapter = _adapter_with_deadline(timeout_seconds)  # type: ignore[attr-defined]
    return hopsworks


def _adapter_with_deadline(seconds: float) -> Any:  # noqa: ANN401
    from requests.adapters import HTTPAdapter

    class DeadlineAdapter(HTTPAdapter):
        """Sends with a time-out where the caller gave none."""

        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]  # noqa: ANN401
            if options.get("timeout") is None:
                options["timeout"] = (min(_CONNECT_SECONDS, seconds), seconds)
            return super().send(request, **options)

    return DeadlineAdapter
