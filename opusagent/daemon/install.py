"""Puts the units for systemd where systemd looks for them."""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

UNITS: Final = ("opusagent.service", "opusagent.socket", "opusagent@.service")
DIRECTORY: Final = Path("etc/systemd/system")

SHIPPED_PROGRAM: Final = "/opt/opusagent/bin/opusagent"
"""What the units as shipped start; the installed ones start the program that installs them."""

MODE: Final = 0o644


def unit(name: str, program: str = SHIPPED_PROGRAM) -> str:
    """The text of a unit that starts `program`."""
    text = files("opusagent.daemon").joinpath("units", name).read_text()
    return text.replace(SHIPPED_PROGRAM, program)


def own_program() -> str:
    """The `opusagent` beside the interpreter that runs this."""
    return str(Path(sys.executable).with_name("opusagent"))


def install_units(root: Path, program: str) -> list[Path]:
    """Write the units under `root` and say which files they are. Raises `OSError`."""
    written = [root / DIRECTORY / name for name in UNITS]
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unit(path.name, program))
        path.chmod(MODE)
    return written
