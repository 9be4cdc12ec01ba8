"""What all commands have in common: their exit statuses, how they complain, and options that several have."""

import sys
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from opusagent.plain import plain

OK: Final = 0
FAILED: Final = 1
WRONG_CONFIGURATION: Final = 2
NO_ADDRESS: Final = 3
NOBODY_THERE: Final = 5

Switch = Annotated[bool, Parameter(negative=())]
"""An option that is there or not."""

AsJson = Annotated[bool, Parameter(negative=(), help="As JSON.")]

ControlSocket = Annotated[
    Path | None, Parameter(help="The daemon's control socket; the one of the service if it is not given.")
]

ConfigFile = Annotated[Path, Parameter(help="The configuration, a TOML file.")]

Credentials = Annotated[
    Path | None,
    Parameter(help="Where the secrets lie that systemd hands to the service, /etc/credstore for the units as shipped."),
]


def complain(*lines: str) -> None:
    """Say on standard error what is wrong, a line each."""
    sys.stderr.write("".join(f"opusagent: {plain(line)}\n" for line in lines))
