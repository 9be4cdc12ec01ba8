"""The daemon itself, and its configuration."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import attrs
import trio
from cyclopts import App, Parameter

from opusagent.commands.words import FAILED, OK, WRONG_CONFIGURATION, AsJson, ConfigFile, Credentials, complain


@attrs.frozen
class Daemon:
    """Commands that read a configuration."""

    environ: Mapping[str, str]

    def add_to(self, app: App) -> None:
        for command in (self.serve, self.check, self.config, self.route):
            app.command(command)

    def serve(self, *, config: Annotated[ConfigFile, Parameter(alias="-c")]) -> int:
        """Take calls until SIGINT or SIGTERM."""
        from opusagent.daemon.log_stream import log_stream
        from opusagent.daemon.logs import configure_logs, is_journal
        from opusagent.daemon.server import run_process
        from opusagent.local.server import serve_local

        async def start_embedded(nursery: trio.Nursery) -> str:
            url: str = await nursery.start(serve_local)
            return url

        journal = is_journal(self.environ, sys.stderr.fileno())
        configure_logs("json", journal=journal, stream=log_stream(sys.stderr.fileno(), journal=journal))
        return run_process(config, self.environ, start_embedded)

    def check(self, file: ConfigFile, *, credentials: Credentials = None) -> int:
        """Say whether a configuration can be used, and everything that is wrong with it."""
        from opusagent.daemon.config import doubts, load
        from opusagent.daemon.generation import try_out

        config = load(file, self._with(credentials))
        try_out(config)
        sys.stdout.writelines(f"{file}: warning: {doubt}\n" for doubt in doubts(config))
        sys.stdout.write(f"{file}: no problem found\n")
        return OK

    def config(self, file: ConfigFile, *, credentials: Credentials = None) -> int:
        """Show a configuration as it is in effect, each value with where it comes from, and no secret."""
        from opusagent.daemon.origins import explain

        sys.stdout.write(explain(file, self._with(credentials)))
        return OK

    def route(
        self,
        file: ConfigFile,
        *,
        number: Annotated[str, Parameter(help="Whom the caller dials, however it is written.")] = "",
        path: Annotated[str, Parameter(help="Where the platform dials, or the webhook that leads there.")] = "",
        bot: Annotated[str, Parameter(help="The name of AudioCodes' bot.")] = "",
        parameter: Annotated[tuple[str, ...], Parameter(help="NAME=VALUE that the TwiML says; one or more.")] = (),
        json: AsJson = False,
        credentials: Credentials = None,
    ) -> int:
        """Say which agent would take a call, and why; with status 1 if it would be refused."""
        from opusagent.daemon.route_answer import NoSuchCall, Wish, answer_of, read_parameters

        try:
            answer = answer_of(file, self._with(credentials), Wish(number, path, bot, read_parameters(parameter)))
        except NoSuchCall as wrong:
            complain(str(wrong))
            return WRONG_CONFIGURATION
        sys.stdout.write(answer.as_json() if json else answer.in_words())
        return OK if answer.agent else FAILED

    def _with(self, credentials: Path | None) -> Mapping[str, str]:
        """The environment that the service would have, as far as a configuration looks at it."""
        return self.environ if credentials is None else {**self.environ, "CREDENTIALS_DIRECTORY": str(credentials)}
