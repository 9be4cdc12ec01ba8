"""Canaries in every secret that a configuration can have, a daemon that logs all it can, and every artefact of it."""

import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import trio
from typing_extensions import override

from opusagent.daemon.control_socket import ask
from opusagent.platforms.twilio import Start, StartDetail, render
from opusagent.testing.raw import UPGRADE_REQUEST
from tests.daemon.process import PATIENCE, Settings, daemon, http
from tests.daemon.test_process_entry import AUDIO, MINE, TOKEN, stream, ticket

SECRETS: Final[Mapping[str, str]] = {
    "tokens": TOKEN,
    "shared": "WK1 canary-shared-key",
    "bearers": "canary-bearer-token",
    "key": "sk-canary-model-key",
    "admins": "canary-admin-token",
    "rest": "canary-api-key-secret",
    "cluster": "canary-cluster-secret",
    "redis": "canary-redis-password",
    "hook": "canary-webhook-secret",
    "mcp": "canary-mcp-authorization",
    "trace": "x-key: canary-trace-header",
}
"""What each file holds."""

CANARIES: Final = tuple(each.rpartition(" ")[2] for each in SECRETS.values())

CONFIGURATION = """
[server]
listen = "127.0.0.1:0"
public_url = "https://voice.example.net"
[realtime]
url = "{url}"
api_key_file = "{directory}/key"
[twilio]
auth_tokens_file = "{directory}/tokens"
shared_keys_file = "{directory}/shared"
[audiocodes]
tokens_file = "{directory}/bearers"
[recording]
directory = "{directory}/recordings"
[admin]
socket = "{directory}/control.sock"
listen = "127.0.0.1:0"
tokens_file = "{directory}/admins"
[twilio_rest]
account_sid = "AC00000000000000000000000000000001"
api_key_sid = "SK00000000000000000000000000000002"
api_key_secret_file = "{directory}/rest"
url = "http://127.0.0.1:{peer}"
[cluster]
redis = "redis://127.0.0.1:{peer}/0"
redis_password_file = "{directory}/redis"
secret_file = "{directory}/cluster"
[tracing]
endpoint = "http://127.0.0.1:{peer}/v1/traces"
headers_file = "{directory}/trace"
[[tools]]
webhook = "http://127.0.0.1:{peer}/hook"
name = "hook"
description = "x"
secret_file = "{directory}/hook"
allow_private = true
[[tools]]
mcp = "https://mcp.example.net/"
name = "mcp"
authorization_file = "{directory}/mcp"
"""

ALL_THERE_IS = """
import logging, os, sys
from pathlib import Path
import trio
from opusagent.daemon.logs import configure_logs
from opusagent.daemon.server import run_process
from opusagent.local.server import serve_local

async def start_embedded(nursery: trio.Nursery) -> str:
    return await nursery.start(serve_local)

logging.basicConfig(level=logging.DEBUG)
configure_logs("json", logging.DEBUG)
for library in ("coredis", "opentelemetry", "urllib3"):
    logging.getLogger(library).setLevel(logging.DEBUG)
sys.exit(run_process(Path(sys.argv[1]), os.environ, start_embedded))
"""
"""The daemon as `opusagent serve` runs it, but for the levels: ours, and of the libraries that log by themselves."""


@attrs.frozen
class Secretive(Settings):
    """A daemon with every secret there is, whose peers are all at one port. Its model is inside."""

    peer: int = 0

    @override
    def write(self, directory: Path, *, wrong: str = "") -> Path:
        for name, text in SECRETS.items():
            (directory / name).write_text(f"{text}\n")
        path = directory / "opusagent.toml"
        path.write_text(CONFIGURATION.format(directory=directory, peer=self.peer, url="local") + wrong)
        return path


@attrs.define
class Peer:
    """Stands for Redis, Twilio and whoever traces: hears what comes, and answers nonsense."""

    heard: bytes = b""

    async def attend(self, visitor: trio.SocketStream) -> None:
        with trio.move_on_after(PATIENCE):
            async for some in visitor:
                self.heard += some
                await visitor.send_all(b"-ERR you are nobody\r\n")
                if b"HTTP/1.1" in some:
                    break
        await visitor.aclose()


@asynccontextmanager
async def peer() -> AsyncGenerator[tuple[Peer, int]]:
    """A peer and its port."""
    hearing = Peer()
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port: int = listener.socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, hearing.attend, [listener])
        yield hearing, port
        nursery.cancel_scope.cancel()


REFUSED = (
    "twilio did not do it",
    "redis is away: calls go on, and can be resumed in their own process only",
    "traces do not arrive",
)
"""What the daemon says of its peers."""


def loudest(path: Path) -> list[str]:
    """How a daemon is started that logs all it can."""
    return [sys.executable, "-c", ALL_THERE_IS, str(path)]


async def test_no_secret_is_in_anything_at_any_level_of_the_log(tmp_path: Path) -> None:
    """A call that is ended at Twilio, strangers, a Redis and a collector that refuse, a dump, a wrong reload."""
    async with peer() as (there, port), daemon(tmp_path, Secretive(peer=port), command=loudest) as running:
        shown = await ticket(running.port, MINE)
        async with stream(running.port) as socket:
            detail = StartDetail(callSid=MINE, mediaFormat=AUDIO, customParameters={"ticket": shown})
            await socket.send(render(Start(streamSid="MZ1", start=detail)))
            (started,) = await running.says("call started")
            control = [await _asked(tmp_path, path) for path in ("/status", "/calls", "/metrics")]
            await running.order("hangup", str(started["call"]))
            await running.says("call ended")
        for each in REFUSED:
            await running.says(each)
        bearer = UPGRADE_REQUEST.decode().replace("GET /echo ", "GET /audiocodes ")
        await http(running.port, bearer.replace("Host: a\r\n", "Host: a\r\nAuthorization: Bearer canary-of-nobody\r\n"))
        running.process.send_signal(signal.SIGUSR1)
        await running.says("dump")
        Secretive(peer=port).write(tmp_path, wrong="[server]\n")
        bad = await running.order("reload")
        path = Secretive(peer=port).write(tmp_path)
        commands = [await _command(word, path) for word in ("config", "check")]
        title = await trio.Path(f"/proc/{running.process.pid}/cmdline").read_bytes()
        running.process.terminate()
        await running.ended()
    kept = [file.read_bytes() for file in (tmp_path / "recordings").rglob("*") if file.is_file()]
    said = repr((running.log, running.noise)).encode()
    left = [said, bad.stdout, bad.stderr, title, *control, *commands, *kept]
    assert kept
    assert any(line["level"] == "debug" for line in running.log)
    # Their peers have heard of them: a secret that nobody uses is kept easily.
    assert all(word in there.heard for word in (b"canary-redis-password", b"Basic ", b"canary-trace-header"))
    secrets = (*CANARIES, "canary-of-nobody", shown, shown.rpartition(".")[2])
    assert [secret for secret in secrets if any(secret.encode() in each for each in left)] == []
    assert b"Basic " not in said


async def _asked(directory: Path, path: str) -> bytes:
    _, body = await trio.to_thread.run_sync(ask, directory / "control.sock", "GET", path)
    return body


async def _command(word: str, path: Path) -> bytes:
    command = [sys.executable, "-m", "opusagent", word, str(path)]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True)
    return done.stdout + done.stderr
