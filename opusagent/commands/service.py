"""The daemon as a service of the system."""

import sys
from pathlib import Path

from cyclopts import App

from opusagent.commands.words import FAILED, OK, complain


def systemd() -> App:
    """`opusagent systemd ...`."""
    app = App(name="systemd", help="Run the daemon as a service.", help_format="plaintext")
    app.command(install)
    return app


def install(*, root: Path = Path("/"), program: str | None = None) -> int:
    """Put the units for systemd in their place.

    Parameters
    ----------
    root
        Where the file system begins that they are installed in.
    program
        What the units start; this very program if it is not given.
    """
    from opusagent.daemon.install import install_units, own_program

    try:
        written = install_units(root, program or own_program())
    except OSError as error:
        complain(f"the units cannot be written: {error}")
        return FAILED
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return OK
