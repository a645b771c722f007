"""The locked lists of packages fit what pyproject.toml asks for; `make lock` renews them."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ;.*)? \\$", re.MULTILINE)

RUN = PROJECT["project"]["dependencies"]
REPORTS = PROJECT["project"]["optional-dependencies"]["reports"]
DEV = PROJECT["dependency-groups"]["dev"]
BUILD = PROJECT["build-system"]["requires"]


def pins(name):
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    return {canonicalize_name(found["name"]): found["version"] for found in PIN.finditer(text)}


def unmet(required, pinned):
    asked = [Requirement(text) for text in required]
    versions = {one: pinned.get(canonicalize_name(one.name)) for one in asked}
    return [
        str(one)
        for one, version in versions.items()
        if version is None or not one.specifier.contains(version)
    ]


@pytest.mark.parametrize(
    ("name", "required"),
    [("build", BUILD), ("run", RUN), ("dev", [*RUN, *DEV]), ("reports", [*RUN, *REPORTS])],
)
def test_the_list_fits_the_project(name, required):
    assert unmet(required, pins(name)) == []


@pytest.mark.parametrize("name", ["dev", "reports"])
def test_the_list_has_the_versions_of_run(name):
    assert pins("run").items() <= pins(name).items()


def test_an_outdated_or_missing_pin_is_found():
    assert unmet(["a>=2", "B_c<2", "d"], {"a": "1.9", "b-c": "1.0"}) == ["a>=2", "d"]
