"""The command line: arguments in, exit status out.

0: it went well. 1: it ran and did not succeed. 2: the arguments or the configuration are wrong. 3: the address that
the daemon should listen at cannot be had. 4: the daemon was drained, and calls were still there when the time was over.
5: the daemon cannot be asked: it does not run, or its control socket is another user's.
"""

from collections.abc import Mapping, Sequence

import cyclopts
from cyclopts import App

from opusagent import __version__
from opusagent.commands.calls import Calls
from opusagent.commands.daemon import Daemon
from opusagent.commands.running import Running
from opusagent.commands.service import systemd
from opusagent.commands.words import NO_ADDRESS, OK, WRONG_CONFIGURATION, complain
from opusagent.errors import CannotBind, ConfigError


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command in `argv` and return its exit status. The only place that is given the environment."""
    try:
        status = _app(environ)(argv, exit_on_error=False, print_error=True, result_action="return_value")
    except cyclopts.CycloptsError:
        return WRONG_CONFIGURATION
    except ConfigError as error:
        complain(f"{len(error.problems)} problem(s) in the configuration, nothing was started:", *error.problems)
        return WRONG_CONFIGURATION
    except CannotBind as error:
        complain(str(error))
        return NO_ADDRESS
    return status if isinstance(status, int) else OK


def _app(environ: Mapping[str, str]) -> App:
    app = App(
        name="opusagent",
        help="A bridge between telephone calls and real-time AI voice.",
        version=__version__,
        help_format="plaintext",
    )
    for commands in (Daemon(environ), Running(environ), Calls(environ)):
        commands.add_to(app)
    app.command(systemd())
    return app
