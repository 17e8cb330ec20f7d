"""What an error of the hopsworks client means: try again, or call a person."""

from confluent_kafka import KafkaError, KafkaException

from ohlc_features.errors import StoreError, StoreRejectedError, StoreUnavailableError

_PASSING_STATUS = (408, 425, 429)
_WRONG_KEY = 401

_FINAL_KAFKA_ERRORS = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.MSG_SIZE_TOO_LARGE,
)


def hopsworks_error(error: Exception, host: str, project: str) -> StoreError:
    """Return what ``error``, raised by any call of the client, means; one line with the remedy."""
    where = f"Hopsworks at {host}"
    response = getattr(error, "response", None)
    if response is not None and hasattr(response, "status_code"):
        return _of_response(response, where, project)
    if type(error).__name__ == "ProjectException":
        return StoreRejectedError(
            f"{where} has no project {project!r} for this API key; "
            "correct HOPSWORKS_PROJECT_NAME or HOPSWORKS_API_KEY"
        )
    kafka = error if isinstance(error, KafkaException) else error.__cause__
    if isinstance(kafka, KafkaException):
        return _of_kafka(kafka.args[0], where)
    return _of_network(error, where) or StoreRejectedError(f"{where}: {_one_line(error)}")


def _of_network(error: Exception, where: str) -> StoreError | None:
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import SSLError, Timeout

    if isinstance(error, SSLError):
        return StoreRejectedError(
            f"{where} has a certificate that is not trusted; set HOPSWORKS_CA_LOCATION to its CA"
        )
    if isinstance(error, Timeout):
        return StoreUnavailableError(f"{where} did not answer in time")
    if isinstance(error, NoConnection):
        return StoreUnavailableError(f"{where} cannot be reached: {_one_line(error)}")
    return None


def _of_response(response: object, where: str, project: str) -> StoreError:
    status = int(getattr(response, "status_code"))  # noqa: B009 - the client is not typed
    text = _said(response)
    if status in _PASSING_STATUS or status >= 500:
        return StoreUnavailableError(f"{where} answered {status}: {text}", _retry_after(response))
    if status == _WRONG_KEY:
        return StoreRejectedError(
            f"{where} refused the API key ({text}); correct HOPSWORKS_API_KEY"
        )
    return StoreRejectedError(f"{where} answered {status} for project {project!r}: {text}")


def _said(response: object) -> str:
    try:
        body = response.json()  # type: ignore[attr-defined]
        words = [str(body[name]) for name in ("errorMsg", "usrMsg") if body.get(name)]
    except (ValueError, AttributeError):
        words = []
    return _one_line(", ".join(words)) or "no reason given"


def _retry_after(response: object) -> float | None:
    text = getattr(response, "headers", {}).get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _of_kafka(error: KafkaError, where: str) -> StoreError:
    text = f"the ingestion broker of {where} failed: {error.str()}"
    if error.code() in _FINAL_KAFKA_ERRORS:
        return StoreRejectedError(text)
    return StoreUnavailableError(text)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
