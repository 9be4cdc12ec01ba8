"""What a running daemon is told and asked, over its control socket."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
from cyclopts import App, Parameter

from opusagent.commands.words import FAILED, NOBODY_THERE, OK, AsJson, ControlSocket, complain
from opusagent.errors import PeerRefused

if TYPE_CHECKING:
    from opusagent.daemon.console import Console


@attrs.frozen
class Running:
    """Commands to a daemon that runs; `environ` tells where the service's control socket is."""

    environ: Mapping[str, str]

    def add_to(self, app: App) -> None:
        for command in (self.reload, self.upgrade, self.status, self.calls, self.hangup):
            app.command(command)

    def reload(self, *, socket: ControlSocket = None) -> int:
        """Have a running daemon read its configuration anew, and say what became of it."""
        return self._order("reload", socket)

    def upgrade(self, *, socket: ControlSocket = None) -> int:
        """Have a running daemon hand over to the program that is installed now. No call is lost."""
        return self._order("upgrade", socket)

    def status(self, *, socket: ControlSocket = None, json: AsJson = False) -> int:
        """Say how a running daemon is."""
        return self._asked(lambda console: console.status(), socket, json=json)

    def calls(
        self,
        call: Annotated[str | None, Parameter(help="The id of one call, as the list has it.")] = None,
        *,
        socket: ControlSocket = None,
        json: AsJson = False,
    ) -> int:
        """List the calls that go on, or show one of them."""
        if call is None:
            return self._asked(lambda console: console.calls(), socket, json=json)
        return self._asked(lambda console: console.call(call), socket, json=json)

    def hangup(
        self,
        call: Annotated[str, Parameter(help="The call's id, as `opusagent calls` lists it.")],
        *,
        socket: ControlSocket = None,
        json: AsJson = False,
    ) -> int:
        """End one call that goes on, in order: with its goodbye, its recording and its report."""
        return self._asked(lambda console: console.hang_up(call), socket, json=json)

    def _order(self, order: str, socket: Path | None) -> int:
        """Have a running daemon do something, and return its verdict: every problem, and `FAILED` if there is one."""
        from opusagent.daemon.control_socket import ask, read_verdict, socket_path

        try:
            verdict = read_verdict(*ask(socket or socket_path(self.environ), "POST", f"/{order}"))
        except PeerRefused as refused:
            return _refused(refused)
        if not verdict.is_done:
            complain(f"{order} refused, nothing has changed:", *verdict.problems)
            return FAILED
        changed = f", changed: {', '.join(verdict.changed)}" if verdict.changed else ""
        sys.stdout.write(f"{order}: done, generation {verdict.generation}{changed}\n")
        return OK

    def _asked(self, question: "Callable[[Console], str]", socket: Path | None, *, json: bool) -> int:
        """Ask a running daemon, and show what it answers."""
        from opusagent.daemon.console import Console
        from opusagent.daemon.control_socket import socket_path

        try:
            sys.stdout.write(question(Console(socket or socket_path(self.environ), json)))
        except PeerRefused as refused:
            return _refused(refused)
        return OK


def _refused(refused: PeerRefused) -> int:
    """Say why a daemon did not do what it was asked: it refused, or it could not be asked."""
    complain(str(refused))
    return NOBODY_THERE if refused.status is None else FAILED
