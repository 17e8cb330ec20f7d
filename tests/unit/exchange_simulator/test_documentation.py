import re
from pathlib import Path
from typing import get_args

import msgspec

from exchange_simulator.faults.model import Fault, RestKind
from exchange_simulator.settings import SimulatorSettings
from ohlc_core.service.setting_groups import ObservabilitySettings

PAGE = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text()


def test_every_setting_is_documented_with_its_flag() -> None:
    names = {name.upper() for name in SimulatorSettings.model_fields}
    rows = set(re.findall(r"^\| `([A-Z_]+)` \| `--[a-z-]+` \|", PAGE, re.MULTILINE))
    assert rows == names - {name.upper() for name in ObservabilitySettings.model_fields}


def test_every_fault_is_documented_with_its_fields() -> None:
    rows = dict(re.findall(r"^\| `([a-z]+)` \| (.*?) \|", PAGE, re.MULTILINE))
    for fault in get_args(Fault):
        described = rows[fault.__struct_config__.tag]
        for field in msgspec.structs.fields(fault):
            assert f"`{field.name}`" in described
    assert all(f"`{kind}`" in PAGE for kind in get_args(RestKind))
