"""``local-stack backfill``: history into the feature store, by the same aggregator and writer.

The broker is the one KAFKA_BROKER_ADDRESS names; else that of a live local run, where the replayer
sees at which window the live stream took over; else one of the backfill's own. Its topics and the
aggregator's state are kept until the run has succeeded, so that the same command goes on where a
killed one ended.
"""

import hashlib
import shlex
import sys
import time
from pathlib import Path

from confluent_kafka import KafkaException

from local_stack.dashboard import dashboard_address, start_dashboard
from local_stack.errors import StackError
from local_stack.market import claim, market
from local_stack.pipeline import Pipeline, running
from local_stack.preflight import check_broker, check_client, check_ports, check_settings
from local_stack.run_folder import RunFolder
from local_stack.services import Service, service
from local_stack.settings import StackSettings
from local_stack.stopping import StopRequest
from local_stack.view import PlainView
from local_stack.warning_lines import WarningLines
from ohlc_backfill.clean_up import delete_run, is_run_over
from ohlc_backfill.run_id import run_id
from ohlc_backfill.settings import BackfillSettings
from ohlc_core.messages.topics import TopicNames, topic_names
from ohlc_core.service.clean_text import hide_secrets
from ohlc_core.service.local_runs import running_stacks
from ohlc_core.service.settings import load
from ohlc_history.sources.archive import paths_at

_POLL_SECONDS = 0.2
_GROUP_SECONDS = 60.0
#: How a run stands after the replayer's exit code.
_ENDS = {None: "not complete", 0: "complete"}
_FILES = "files"
#: What a command must repeat to go on with a run; the rest is the environment's.
_REPEATED = (
    "run_id",
    "from_day",
    "to_day",
    "exchange",
    "product_ids",
    "replay_source",
    "replay_path",
    "ohlc_intervals",
)


def run_backfill(settings: StackSettings, stop: StopRequest) -> int:
    """Replay, aggregate and store the period; return 0 when every candle is stored, 1 when not.

    Raises:
        SettingsError: the replayer's settings are wrong.
        StackError: something it needs cannot be started or kept running.
    """
    replay = load(BackfillSettings)
    files = _file_states(replay.replay_path) if replay.replay_source == "files" else ""
    scripts = ("trade-replayer", "ohlc-aggregator", "feature-writer")
    is_own_broker = not settings.was_given("kafka_broker_address")
    check_settings(scripts, {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"} if is_own_broker else {})
    check_ports(settings, len(scripts))
    check_client(settings.feature_store)
    topics = topic_names(run_id(replay))
    folder = RunFolder(Path(settings.local_stack_folder), f"backfill-{topics.run_id}")
    folder.acquire()
    view = PlainView()
    # First of all: the settings of a store that is refused are not those of a run that has begun.
    if settings.feature_store == "local":
        root = Path(settings.local_stack_folder)
        origin = market(replay, root) if replay.replay_source == "rest" else ""
        claim(settings, settings.feature_store_url, replay.exchange, origin, stop)
    begins_again = _check_resumed(folder, replay, files)
    if begins_again:
        view.say("the files at REPLAY_PATH changed since this backfill was begun: it begins again")
    if not is_own_broker:
        check_broker(settings, stop)
    about = {"run_id": topics.run_id, "command": resume_command(replay)}
    folder.record(state="running", **about)
    code = None
    try:
        with running(Pipeline(folder, settings, view.say)) as pipeline:
            code = _run(pipeline, topics, view, stop, begins_again=begins_again)
    finally:
        folder.record(state=_ENDS.get(code, "not everything was used"), **about)
    if code is None:
        view.say(f"backfill {topics.run_id} is not complete; the same command goes on with it")
        return 1
    folder.forget_data()
    if code != 0:
        view.say(f"backfill {topics.run_id} is stored, but not everything was used; see above")
        return 1
    view.say(f"backfill {topics.run_id} is complete")
    return 0


def resume_command(replay: BackfillSettings) -> str:
    """Return the command that goes on with the run; addresses, which may hold secrets, are left."""
    words = []
    for name in _REPEATED:
        value = getattr(replay, name)
        if name in replay.model_fields_set and value:
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            words.append(f"{name.upper()}={shlex.quote(text)}")
    return " ".join([*words, "make backfill"])


def _file_states(path: str) -> str:
    """Return a digest of the files at REPLAY_PATH: their names, sizes and times of change.

    Raises:
        SettingsError: there is no file.
    """
    states = [
        (str(file), (seen := file.stat()).st_size, seen.st_mtime_ns) for file in paths_at(path)
    ]
    return hashlib.sha256(repr(states).encode()).hexdigest()


def _check_resumed(folder: RunFolder, replay: BackfillSettings, files: str) -> bool:
    """Check that a run that goes on has the settings it began with, and keep those of a new one.

    What a run took of files that are others now may not be right: it is forgotten.

    Returns:
        Whether the run begins again for that.

    Raises:
        StackError: it has others; exit code 2.
    """
    now = {
        "OHLC_INTERVALS": ",".join(replay.ohlc_intervals),
        "EMPTY_CANDLES": replay.empty_candles,
        "FEATURE_STORE": replay.feature_store,
        "FEATURE_STORE_URL": hide_secrets(replay.feature_store_url),
        "FEATURE_GROUP_NAME": replay.feature_group_name,
        "FEATURE_GROUP_VERSION": str(replay.feature_group_version),
    }
    begun = folder.settings_begun_with(now | {_FILES: files})
    if changed := [name for name, value in now.items() if begun.get(name, value) != value]:
        before = " ".join(f"{each}={begun[each]}" for each in changed)
        raise StackError(
            f"this backfill was begun with {before}; "
            "go on with that, or give another RUN_ID to begin again",
            exit_code=2,
        )
    if begun.get(_FILES, files) == files:
        return False
    folder.forget_data()
    folder.settings_begun_with(now | {_FILES: files})
    return True


def _run(
    pipeline: Pipeline,
    topics: TopicNames,
    view: PlainView,
    stop: StopRequest,
    *,
    begins_again: bool,
) -> int | None:
    """Return the replayer's exit code once the run is over; None when it was stopped before.

    Raises:
        StackError: the replayer failed; the same command goes on.
    """
    settings, folder = pipeline.settings, pipeline.folder
    address = dashboard_address(view.say)
    if not settings.was_given("kafka_broker_address") and not _join_live_run(pipeline):
        pipeline.start_broker(topics)
    if begins_again and pipeline.broker is None:
        delete_run(pipeline.kafka, topics, _GROUP_SECONDS)
    for script in ("ohlc-aggregator", "feature-writer"):
        ours = _service_settings(pipeline, topics, script)
        pipeline.start(service(script, folder, ours, pipeline.metrics_port()))
    of_replayer = _service_settings(pipeline, topics, "trade-replayer")
    of_replayer["REPLAY_UNTIL"] = "stored"
    # It has progress and a summary to show.
    port = pipeline.metrics_port()
    replayer = service("trade-replayer", folder, of_replayer, port, "everything")
    view.say(f"run         {topics.run_id}, in {folder.path}")
    view.say(f"broker      {pipeline.broker_address} ({pipeline.broker_words})")
    pipeline.start(replayer, supervised=False)
    start_dashboard(pipeline, {"RUN_ID": topics.run_id}, address, view.say)
    folder.publish(
        {
            "mode": "backfill",
            "run_id": topics.run_id,
            "broker": pipeline.broker_address,
            "services": pipeline.published_services,
        }
    )
    code = _watch_replayer(pipeline, replayer, view, stop)
    if stop.is_set:
        return None
    if code != 0 and not is_run_over(pipeline.kafka, topics):
        raise StackError(
            f"the replayer ended with exit code {code}; its message is above",
            exit_code=2 if code == 2 else 1,
        )
    pipeline.stop_services()
    try:
        # A broker of the run's own is forgotten whole.
        delete_run(pipeline.kafka, topics, 0 if pipeline.broker is not None else _GROUP_SECONDS)
    except KafkaException as error:
        raise StackError(
            f"the broker at {pipeline.broker_address} went away ({error.args[0].str()}), so the "
            "run's topics are still there; the candles are in the store. The same command again "
            "removes them"
        ) from None
    return code


def _join_live_run(pipeline: Pipeline) -> bool:
    """Use the broker of a live run on this machine. Return whether there is one to share."""
    for stack in running_stacks(pipeline.folder.path.parent):
        if stack.get("mode") in ("run", "debug") and stack.get("broker_kind") != "noida":
            pipeline.share_broker(stack["broker"])
            return True
    return False


def _service_settings(pipeline: Pipeline, topics: TopicNames, script: str) -> dict[str, str]:
    return {"RUN_ID": topics.run_id, **pipeline.settings_for(script)}


def _watch_replayer(
    pipeline: Pipeline, replayer: Service, view: PlainView, stop: StopRequest
) -> int | None:
    """Return the replayer's exit code; None when the run is to stop before it ended."""
    warnings = WarningLines(each.process.log_file for each in pipeline.services)
    while (code := replayer.process.exit_code()) is None and not stop.is_set:
        _look_after(pipeline, warnings, view)
        time.sleep(_POLL_SECONDS)
    return code


def _look_after(pipeline: Pipeline, warnings: WarningLines, view: PlainView) -> None:
    for warning in warnings.new():
        view.say(warning)
    pipeline.check()
    sys.stdout.flush()
