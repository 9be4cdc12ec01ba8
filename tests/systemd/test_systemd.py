"""The shipped units under a real systemd, booted in a container of its own. Skipped where that cannot be."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

import pytest

from tests.systemd.drive import SCENES

HERE: Final = Path(__file__).parent
PROJECT: Final = HERE.parent.parent
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
ROOT: Final = CACHE / "opusagent/systemd-root"
BOOT_SECONDS: Final = 170

DRIVE: Final = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=PYTHONPATH=/opt/app/project:/opt/app/packages LD_LIBRARY_PATH=/opt/python/lib PYTHONDONTWRITEBYTECODE=1
ExecStart=/opt/python/bin/{python} -m tests.systemd.drive
ExecStopPost=/bin/systemctl --no-block exit
StandardOutput=file:/out/drive.log
StandardError=file:/out/drive.log
[Install]
WantedBy=multi-user.target
"""

PROGRAM: Final = """#!/bin/sh
export PYTHONPATH=/opt/app/project:/opt/app/packages LD_LIBRARY_PATH=/opt/python/lib PYTHONDONTWRITEBYTECODE=1
exec /opt/python/bin/{python} -m opusagent "$@"
"""


def why_not() -> str | None:
    """What is missing here for a systemd of our own."""
    if os.environ.get("TEST_SYSTEMD") == "no":
        return "TEST_SYSTEMD=no"
    if os.geteuid() != 0:
        return "booting a systemd needs root"
    if shutil.which("systemd-nspawn") is None:
        return "there is no systemd-nspawn: run tests/systemd/prepare.sh"
    if not (ROOT / "usr/lib/systemd/systemd").exists():
        return f"there is no system to boot at {ROOT}: run tests/systemd/prepare.sh"
    return None


def boot(out: Path) -> "subprocess.CompletedProcess[bytes]":
    """Boot, let `drive` play its scenes, and power off."""
    python = Path(sys.executable).resolve().name
    app = out / "app"
    for name, text, mode in (("drive.service", DRIVE, 0o644), ("opusagent", PROGRAM, 0o755)):
        app.mkdir(exist_ok=True)
        (app / name).write_text(text.format(python=python))
        (app / name).chmod(mode)
    units, wants = "/etc/systemd/system", app / "wants"
    wants.mkdir()
    (wants / "drive.service").symlink_to(f"{units}/drive.service")
    binds = (
        (sys.base_prefix, "/opt/python"),
        (PROJECT, "/opt/app/project"),
        (sysconfig.get_path("purelib"), "/opt/app/packages"),
        (app / "opusagent", "/opt/app/bin/opusagent"),
        (app / "drive.service", f"{units}/drive.service"),
        (wants, f"{units}/graphical.target.wants"),
    )
    return subprocess.run(  # noqa: S603 - nothing of it comes from outside
        [
            *("systemd-nspawn", "--quiet", "--boot", "--volatile=overlay", "--private-network", "--register=no"),
            *("--keep-unit", "--console=pipe", f"--directory={ROOT}", f"--machine=opusagent-{os.getpid()}"),
            *(f"--bind-ro={here}:{there}" for here, there in binds),
            f"--bind={out}:/out",
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=BOOT_SECONDS,
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """What became of each scene."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    out = tmp_path_factory.mktemp("systemd")
    booted = boot(out)
    scenes = out / "scenes.json"
    log = out / "drive.log"
    assert scenes.exists(), f"{booted.stdout!r} {booted.stderr!r} {log.read_text() if log.exists() else 'not begun'}"
    said: dict[str, str | None] = json.loads(scenes.read_text())
    return said


@pytest.mark.parametrize("scene", [scene.__name__ for scene in SCENES])
def test_under_a_real_systemd(scene: str, told: dict[str, str | None]) -> None:
    fault = told.get(scene, "this scene was not played")
    assert fault is None, fault
