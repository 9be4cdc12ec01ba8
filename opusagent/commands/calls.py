"""Calls to watch, what calls have left, and how many a process carries."""

import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Literal

import attrs
import trio
from cyclopts import App, Parameter

from opusagent.commands.words import FAILED, OK, WRONG_CONFIGURATION, AsJson, Switch, complain

Platform = Literal["twilio", "audiocodes"]


@attrs.frozen
class Calls:
    """Commands that need no running daemon; `environ` has an agent's secrets and the threshold of slow turns."""

    environ: Mapping[str, str]

    def add_to(self, app: App) -> None:
        app.command(self.demo)
        app.command(self.report)
        app.command(self.measure, name="bench")

    def demo(
        self,
        *,
        output: Path = Path("demo-output"),
        platform: Platform = "twilio",
        agent: Path | None = None,
        fault: str | None = None,
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
        fault
            What happens in the middle of the call: a name such as model-drop; list shows them all. Fails if the caller
            is left in silence, and if the call does not go on, or end with an apology where no model can be had.
        """
        if fault is not None:
            return _demo_fault(fault, output, platform, agent)
        if agent is None:
            return _demo(output, platform)
        if platform != "twilio":
            complain("an agent is shown at work over Twilio only: leave --platform out")
            return WRONG_CONFIGURATION
        return _demo_agent(agent, output, self.environ)

    def report(
        self,
        target: str | None = None,
        *,
        directory: Path = Path("recordings"),
        latency: Switch = False,
        plot: Path | None = None,
        json: AsJson = False,
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
            Draw the latencies into this file, as SVG or PNG.
        """
        from opusagent.daemon.config import alerts_in
        from opusagent.reports.command import Wish, show

        threshold = alerts_in(self.environ).latency_ms
        wish = Wish(target, directory, latency=latency, plot=plot, json=json, threshold_ms=threshold)
        if fault := wish.fault():
            complain(fault)
            return WRONG_CONFIGURATION
        return OK if show(wish, sys.stdout.write, complain) else FAILED

    def measure(
        self,
        *,
        calls: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (1, 10, 20, 40, 80),
        seconds: float = 6.0,
        rounds: int = 1,
        platform: Platform = "twilio",
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
        from opusagent.bench.load.command import Wish, bench

        if min(*calls, rounds, processes) < 1 or seconds <= 0:
            complain("calls, rounds, seconds and processes must be more than nothing")
            return WRONG_CONFIGURATION
        return bench(Wish(calls, seconds, rounds, platform, processes, peers), sys.stdout.write)


def _demo(output: Path, platform: Platform) -> int:
    from opusagent.demo.show import run_demo

    return _perform(output, partial(run_demo, output, sys.stdout.write, platform))


def _demo_fault(name: str, output: Path, platform: Platform, agent: Path | None) -> int:
    from opusagent.demo.faults import ORDEALS, mistaken, titles
    from opusagent.demo.ordeal import run_ordeal

    if name == "list":
        sys.stdout.write(titles())
        return OK
    if name not in ORDEALS or agent is not None:
        complain(mistaken(name) if agent is None else "a fault is shown with the parrot only: leave --agent out")
        return WRONG_CONFIGURATION
    return _perform(output, partial(run_ordeal, ORDEALS[name], output, sys.stdout.write, platform))


def _demo_agent(path: Path, output: Path, environ: Mapping[str, str]) -> int:
    from opusagent.daemon.config import load
    from opusagent.demo.agent import run_agent_demo

    return _perform(output, partial(run_agent_demo, load(path, environ), output, sys.stdout.write))


def _perform(output: Path, demo: Callable[[], Awaitable[bool]]) -> int:
    """Run a demo that leaves something in `output`, if anything can be left there."""
    from opusagent.daemon.logs import configure_logs

    try:
        output.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=output):
            pass
    except OSError as error:
        complain(f"{output}: cannot be written to, for --output: {error.strerror}")
        return WRONG_CONFIGURATION
    configure_logs("text", logging.WARNING)
    return OK if trio.run(demo) else FAILED
