"""The commands. Each is thin: it reads its arguments, calls a room of the house, and gives an exit status.

0: it went well. 1: it ran and did not succeed. 2: the arguments or the configuration are wrong. 3: the address that
the daemon should listen at cannot be had. 4: the daemon was drained, and calls were still there when the time was over.
5: the daemon cannot be asked: it does not run, or its control socket is another user's.
"""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import cyclopts
import trio
from cyclopts import App, Parameter

from opusagent import __version__
from opusagent.errors import CannotBind, ConfigError, PeerRefused
from opusagent.plain import plain

if TYPE_CHECKING:
    from opusagent.daemon.console import Console

OK: Final = 0
FAILED: Final = 1
WRONG_CONFIGURATION: Final = 2
NO_ADDRESS: Final = 3
NOBODY_THERE: Final = 5


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command in `argv` and return its exit status. The only place that is given the environment."""
    try:
        status = _app(environ)(argv, exit_on_error=False, print_error=True, result_action="return_value")
    except cyclopts.CycloptsError:
        return WRONG_CONFIGURATION
    except ConfigError as error:
        _say(f"{len(error.problems)} problem(s) in the configuration, nothing was started:", *error.problems)
        return WRONG_CONFIGURATION
    except CannotBind as error:
        _say(str(error))
        return NO_ADDRESS
    return status if isinstance(status, int) else OK


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"opusagent: {plain(line)}\n" for line in lines))


def _app(environ: Mapping[str, str]) -> App:
    app = App(
        name="opusagent",
        help="A bridge between telephone calls and real-time AI voice.",
        version=__version__,
        help_format="plaintext",
    )
    _add_daemon(app, environ)
    _add_orders(app, environ)
    _add_questions(app, environ)
    _add_calls(app, environ)
    app.command(_systemd())
    return app


def _add_daemon(app: App, environ: Mapping[str, str]) -> None:
    """The daemon itself, and its configuration."""

    def serve(*, config: Annotated[Path, Parameter(alias="-c")]) -> int:
        """Take calls until SIGINT or SIGTERM.

        Parameters
        ----------
        config
            The configuration, a TOML file.
        """
        return _serve(config, environ)

    def check(file: Path) -> int:
        """Say whether a configuration can be used, and everything that is wrong with it.

        Parameters
        ----------
        file
            The configuration, a TOML file.
        """
        return _check(file, environ)

    def config(file: Path) -> int:
        """Show a configuration as it is in effect, each value with where it comes from, and no secret.

        Parameters
        ----------
        file
            The configuration, a TOML file.
        """
        return _config(file, environ)

    for command in (serve, check, config):
        app.command(command)


def _add_orders(app: App, environ: Mapping[str, str]) -> None:
    """What a running daemon is told."""

    def reload(*, socket: Path | None = None) -> int:
        """Have a running daemon read its configuration anew, and say what became of it.

        Parameters
        ----------
        socket
            The daemon's control socket; the one of the service if it is not given.
        """
        return _order("reload", socket, environ)

    def upgrade(*, socket: Path | None = None) -> int:
        """Have a running daemon hand over to the program that is installed now. No call is lost.

        Parameters
        ----------
        socket
            The daemon's control socket; the one of the service if it is not given.
        """
        return _order("upgrade", socket, environ)

    for command in (reload, upgrade):
        app.command(command)


def _add_questions(app: App, environ: Mapping[str, str]) -> None:
    """What a running daemon is asked, and the calls that it is asked about."""

    def status(*, socket: Path | None = None, json: Annotated[bool, Parameter(negative=())] = False) -> int:
        """Say how a running daemon is.

        Parameters
        ----------
        socket
            The daemon's control socket; the one of the service if it is not given.
        json
            As JSON.
        """
        return _asked(lambda console: console.status(), socket, environ, json=json)

    def calls(
        call: str | None = None,
        *,
        socket: Path | None = None,
        json: Annotated[bool, Parameter(negative=())] = False,
    ) -> int:
        """List the calls that go on, or show one of them.

        Parameters
        ----------
        call
            The id of one call, as the list has it.
        socket
            The daemon's control socket; the one of the service if it is not given.
        json
            As JSON.
        """
        if call is None:
            return _asked(lambda console: console.calls(), socket, environ, json=json)
        return _asked(lambda console: console.call(call), socket, environ, json=json)

    def hangup(call: str, *, socket: Path | None = None, json: Annotated[bool, Parameter(negative=())] = False) -> int:
        """End one call that goes on, in order: with its goodbye, its recording and its report.

        Parameters
        ----------
        call
            The call's id, as `opusagent calls` lists it.
        socket
            The daemon's control socket; the one of the service if it is not given.
        json
            As JSON.
        """
        return _asked(lambda console: console.hang_up(call), socket, environ, json=json)

    for command in (status, calls, hangup):
        app.command(command)


def _add_calls(app: App, environ: Mapping[str, str]) -> None:
    """Calls to watch, and what calls have left."""

    def demo(
        *,
        output: Path = Path("demo-output"),
        platform: Literal["twilio", "audiocodes"] = "twilio",
        agent: Path | None = None,
    ) -> int:
        """Place calls on this machine, offline: daemon, embedded model and caller, with real sockets and speech.

        Parameters
        ----------
        output
            The directory that the recording and the report are left in.
        platform
            Whose protocol the caller speaks. AudioCodes' line breaks in the middle of the call, and comes back.
        agent
            A configuration like examples/clinic.toml: its tools, keys and transfers at work, over Twilio.
        """
        if agent is not None and platform != "twilio":
            _say("an agent is shown at work over Twilio only: leave --platform out")
            return WRONG_CONFIGURATION
        return _demo(output, platform) if agent is None else _demo_agent(agent, output, environ)

    def report(
        target: str | None = None,
        *,
        directory: Path = Path("recordings"),
        latency: Annotated[bool, Parameter(negative=())] = False,
        plot: Path | None = None,
        json: Annotated[bool, Parameter(negative=())] = False,
    ) -> int:
        """Show what calls have left: one on a page, many in a table, or where the time of all their turns went.

        Parameters
        ----------
        target
            A report.json, a directory of one call or of many, or a call's id under the directory of recordings.
        directory
            Where the recordings are.
        latency
            Percentiles of every stage from the caller's last sound to the answer's first, and the slow turns: those
            over the environment's LATENCY_ALERT_THRESHOLD, 500 ms without it.
        plot
            Draw the latencies into this file, as SVG.
        json
            As JSON.
        """
        return _report(target, directory, plot, environ, latency=latency, json=json)

    def measure(
        *,
        calls: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (1, 10, 20, 40, 80),
        seconds: float = 6.0,
        rounds: int = 1,
        platform: Literal["twilio", "audiocodes"] = "twilio",
        processes: int = 1,
        peers: Path | None = None,
    ) -> int:
        """Measure how many calls one process carries: CPU, memory, delays, lost sound, beside a bare relay.

        Parameters
        ----------
        calls
            How many calls at once, one after the other.
        seconds
            How long each is measured, once all calls talk.
        rounds
            How often; the least of the rounds counts.
        platform
            Whose protocol the callers speak. The bare relay knows Twilio's only.
        processes
            Measure the daemon also as so many processes that share a port.
        peers
            A Python that has the extra bench-peers: Pipecat and OpenAI's Agents SDK are measured too.
        """
        if min(*calls, rounds, processes) < 1 or seconds <= 0:
            _say("calls, rounds, seconds and processes must be more than nothing")
            return WRONG_CONFIGURATION
        from opusagent.bench.load.command import Wish, bench

        return bench(Wish(calls, seconds, rounds, platform, processes, peers), sys.stdout.write)

    for command in (demo, report):
        app.command(command)
    app.command(measure, name="bench")


def _systemd() -> App:
    systemd = App(name="systemd", help="Run the daemon as a service.", help_format="plaintext")

    def install(*, root: Path = Path("/"), program: str | None = None) -> int:
        """Put the units for systemd in their place.

        Parameters
        ----------
        root
            Where the file system begins that they are installed in.
        program
            What the units start; this very program if it is not given.
        """
        return _install(root, program)

    systemd.command(install)
    return systemd


# Each command imports what it needs when it runs, so that `--version` and mistakes are answered at once.


def _serve(path: Path, environ: Mapping[str, str]) -> int:
    from opusagent.daemon.logs import configure_logs, is_journal
    from opusagent.daemon.server import run_process
    from opusagent.local.server import serve_local

    async def start_embedded(nursery: trio.Nursery) -> str:
        url: str = await nursery.start(serve_local)
        return url

    configure_logs("json", journal=is_journal(environ, sys.stderr.fileno()))
    return run_process(path, environ, start_embedded)


def _check(path: Path, environ: Mapping[str, str]) -> int:
    from opusagent.daemon.config import doubts, load
    from opusagent.daemon.generation import try_out

    config = load(path, environ)
    try_out(config)
    sys.stdout.writelines(f"{path}: warning: {doubt}\n" for doubt in doubts(config))
    sys.stdout.write(f"{path}: no problem found\n")
    return OK


def _config(path: Path, environ: Mapping[str, str]) -> int:
    from opusagent.daemon.origins import explain

    sys.stdout.write(explain(path, environ))
    return OK


def _order(order: str, socket: Path | None, environ: Mapping[str, str]) -> int:
    """Have a running daemon do something, and return its verdict: every problem, and `FAILED` if there is one."""
    from opusagent.daemon.control_socket import ask, read_verdict, socket_path

    try:
        verdict = read_verdict(*ask(socket or socket_path(environ), "POST", f"/{order}"))
    except PeerRefused as refused:
        return _refused(refused)
    if not verdict.is_done:
        _say(f"{order} refused, nothing has changed:", *verdict.problems)
        return FAILED
    changed = f", changed: {', '.join(verdict.changed)}" if verdict.changed else ""
    sys.stdout.write(f"{order}: done, generation {verdict.generation}{changed}\n")
    return OK


def _asked(question: "Callable[[Console], str]", socket: Path | None, environ: Mapping[str, str], *, json: bool) -> int:
    """Ask a running daemon, and show what it answers."""
    from opusagent.daemon.console import Console
    from opusagent.daemon.control_socket import socket_path

    try:
        sys.stdout.write(question(Console(socket or socket_path(environ), json)))
    except PeerRefused as refused:
        return _refused(refused)
    return OK


def _refused(refused: PeerRefused) -> int:
    """Say why a daemon did not do what it was asked: it refused, or it could not be asked."""
    _say(str(refused))
    return NOBODY_THERE if refused.status is None else FAILED


def _install(root: Path, program: str | None) -> int:
    from opusagent.daemon.install import install_units, own_program

    try:
        written = install_units(root, program or own_program())
    except OSError as error:
        _say(f"the units cannot be written: {error}")
        return FAILED
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return OK


def _report(
    target: str | None, directory: Path, plot: Path | None, environ: Mapping[str, str], *, latency: bool, json: bool
) -> int:
    from opusagent.daemon.config import alerts_in
    from opusagent.reports.command import Wish, show

    wish = Wish(target, directory, latency=latency, plot=plot, json=json, threshold_ms=alerts_in(environ).latency_ms)
    if fault := wish.fault():
        _say(fault)
        return WRONG_CONFIGURATION
    return OK if show(wish, sys.stdout.write, _say) else FAILED


def _demo(output: Path, platform: Literal["twilio", "audiocodes"]) -> int:
    from opusagent.daemon.logs import configure_logs
    from opusagent.demo.show import run_demo

    configure_logs("text", logging.WARNING)
    return OK if trio.run(run_demo, output, sys.stdout.write, platform) else FAILED


def _demo_agent(path: Path, output: Path, environ: Mapping[str, str]) -> int:
    from opusagent.daemon.config import load
    from opusagent.daemon.logs import configure_logs
    from opusagent.demo.agent import run_agent_demo

    configure_logs("text", logging.WARNING)
    return OK if trio.run(run_agent_demo, load(path, environ), output, sys.stdout.write) else FAILED
