"""The front end's libraries are the published ones, with their licences, and nothing is inline."""

import hashlib
import json
import re
from pathlib import Path

_STATIC = Path(__file__).resolve().parents[3] / "services/dashboard/static"
_VENDOR = _STATIC / "vendor"


def test_every_vendored_file_is_listed_with_its_hash() -> None:
    listed = {
        name: digest
        for package in json.loads((_VENDOR / "vendor.json").read_text("utf-8"))
        for name, digest in package["files"].items()
    }
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _VENDOR.iterdir()
        if path.name != "vendor.json"
    }
    assert found == listed


def test_every_package_has_its_licence() -> None:
    for package in json.loads((_VENDOR / "vendor.json").read_text("utf-8")):
        assert (_VENDOR / f"{package['package']}.LICENSE.txt").is_file()
        assert package["npm_integrity"].startswith("sha512-")


def test_page_holds_no_inline_script_or_style() -> None:
    page = (_STATIC / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|style=", page)
    for path in _STATIC.glob("*.js"):
        text = path.read_text("utf-8")
        assert not re.search(r"innerHTML|dangerouslySetInnerHTML|\beval\(|\sstyle=", text), path
