"""Who gets into a running daemon: places under a rush, credentials of every kind, and what is left of secrets."""

import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import attrs
import trio
from typing_extensions import override

from opusagent.errors import POLICY_VIOLATION, PeerGone
from opusagent.net.limits import MODEL
from opusagent.net.message_socket import MessageSocket
from opusagent.net.sockets import connect
from opusagent.platforms.twilio import Start, StartDetail, StreamFormat, render
from opusagent.platforms.twilio_signature import signature_of
from opusagent.testing.raw import UPGRADE_REQUEST
from tests.daemon.process import PATIENCE, Settings, daemon, http

TOKEN, NEXT_TOKEN, SHARED = "canary-auth-token-1", "canary-auth-token-2", "canary-shared-key"
KEY, BEARER, FOREIGN = "sk-canary-model-key", "canary-bearer-token", "canary-of-somebody-else"
PUBLIC, MEDIA = "https://voice.example.net", "wss://voice.example.net/twilio/media"
MINE, OTHER = "CA" + "1" * 32, "CA" + "2" * 32
AUDIO = StreamFormat(encoding="audio/x-mulaw", sampleRate=8000, channels=1)

CONFIGURATION = """
[server]
listen = "127.0.0.1:0"
public_url = "https://voice.example.net"
max_calls = {max_calls}
[realtime]
{realtime}
[twilio]
auth_tokens_file = "{directory}/tokens"
shared_keys_file = "{directory}/shared"
[audiocodes]
tokens_file = "{directory}/bearers"
[recording]
directory = "{directory}/recordings"
[admin]
socket = "{directory}/control.sock"
"""


@attrs.frozen
class Guarded(Settings):
    """A daemon that asks for credentials; its model is at `model`, or inside."""

    model: str = "local"

    @override
    def write(self, directory: Path, *, wrong: str = "") -> Path:
        (directory / "tokens").write_text(f"{TOKEN}\n{NEXT_TOKEN}\n")
        (directory / "shared").write_text(f"WK1 {SHARED}\n")
        (directory / "bearers").write_text(f"{BEARER}\n")
        (directory / "key").write_text(KEY)
        realtime = f'url = "{self.model}"\napi_key_file = "{directory}/key"'
        path = directory / "opusagent.toml"
        path.write_text(CONFIGURATION.format(directory=directory, realtime=realtime, max_calls=self.max_calls) + wrong)
        return path


def upgrade(signature: str, path: str = "/twilio/media") -> bytes:
    """The opening handshake of a stream that shows `signature`."""
    request = UPGRADE_REQUEST.replace(b"GET /echo ", f"GET {path} ".encode())
    return request.replace(b"Host: a\r\n", f"Host: a\r\nx-twilio-signature: {signature}\r\n".encode())


async def webhook(port: int, call_sid: str, signed: Mapping[str, str] | None = None) -> bytes:
    """What the daemon answers Twilio's question about a call; `signed`: with these headers, not the right ones."""
    form = [("CallSid", call_sid), ("From", "+15550100"), ("To", "+15550199")]
    right = {"X-Twilio-Signature": signature_of(TOKEN, f"{PUBLIC}/twilio/voice", form)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (right if signed is None else signed).items())
    body = urlencode(form)
    head = f"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return await http(port, head + body)


async def ticket(port: int, call_sid: str) -> str:
    """The ticket in the daemon's TwiML."""
    found = re.search(rb'name="ticket" value="([^"]+)"', await webhook(port, call_sid))
    assert found is not None
    return found[1].decode()


@asynccontextmanager
async def stream(port: int, token: str = TOKEN) -> AsyncGenerator[MessageSocket]:
    """A media stream that Twilio has opened, signed with `token`."""
    async with trio.open_nursery() as plumbing:
        headers = [("x-twilio-signature", signature_of(token, MEDIA, ()))]
        with trio.fail_after(PATIENCE):
            yield await connect(plumbing, f"ws://127.0.0.1:{port}/twilio/media", headers, MODEL)
        plumbing.cancel_scope.cancel()


async def start(port: int, call_sid: str, shown: str | None) -> int:
    """How a stream ends that starts with this ticket: its close code."""
    parameters = {} if shown is None else {"ticket": shown}
    detail = StartDetail(callSid=call_sid, mediaFormat=AUDIO, customParameters=parameters)
    async with stream(port, NEXT_TOKEN) as socket:
        await socket.send(render(Start(streamSid="MZ1", start=detail)))
        try:
            while True:
                await socket.receive()
        except PeerGone as gone:
            return gone.code


@attrs.define
class Backend:
    """Where the model would be: counts who dials, and hangs up."""

    dialled: int = 0

    async def hang_up(self, visitor: trio.SocketStream) -> None:
        self.dialled += 1
        await visitor.aclose()


@asynccontextmanager
async def backend() -> AsyncGenerator[tuple[Backend, str]]:
    """A backend and its address."""
    counting = Backend()
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port: object = listener.socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, counting.hang_up, [listener])
        yield counting, f"ws://127.0.0.1:{port}/"
        nursery.cancel_scope.cancel()


async def test_of_300_that_connect_at_once_exactly_50_are_admitted(tmp_path: Path) -> None:
    """Each of the others reads 503, when to come again, and why.

    On a machine that is slow enough some are too many before they have said a word, and are closed unread.
    """
    request, told, all_told = upgrade(signature_of(TOKEN, MEDIA, ())), Counter[bytes](), trio.Event()

    async def dial(port: int) -> None:
        connection = await trio.open_tcp_stream("127.0.0.1", port)
        async with connection:
            await connection.send_all(request)
            head = bytes(await connection.receive_some())
            status = head[9:12]
            if status == b"503":
                assert b"\r\nretry-after: 5\r\n" in head.lower()
                assert head.endswith(b"all 50 calls are taken\n")
            told[status] += 1
            if told.total() == 300:
                all_told.set()
            await all_told.wait()

    async with daemon(tmp_path, Guarded(max_calls=50)) as running:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as callers:
                for _ in range(300):
                    callers.start_soon(dial, running.port)
    assert (told[b"101"], told[b"101"] + told[b"503"] + told[b""]) == (50, 300)


async def test_no_wrong_credential_reaches_the_model(tmp_path: Path) -> None:
    """Forged, missing, replayed and another call's: refused, and the backend is not dialled for any of them."""
    async with backend() as (model, url), daemon(tmp_path, Guarded(model=url)) as running:
        port = running.port
        for headers in ({}, {"X-Twilio-Signature": signature_of(FOREIGN, f"{PUBLIC}/twilio/voice", ())}):
            assert (await webhook(port, MINE, headers)).startswith(b"HTTP/1.1 403 ")
        for signature in ("", signature_of(FOREIGN, MEDIA, ()), signature_of(TOKEN, "wss://a/twilio/media", ())):
            assert (await http(port, upgrade(signature).decode())).startswith(b"HTTP/1.1 403 ")
        assert (await http(port, upgrade("", "/audiocodes").decode())).startswith(b"HTTP/1.1 401 ")
        mine, forged = await ticket(port, MINE), f"99999999999.{'0' * 32}.{'0' * 64}"
        ends = [await start(port, MINE, None), await start(port, MINE, forged), await start(port, OTHER, mine)]
        assert (ends, model.dialled) == ([POLICY_VIOLATION] * 3, 0)
        assert await start(port, MINE, mine) != POLICY_VIOLATION
        dialled = model.dialled
        assert dialled > 0
        assert await start(port, MINE, mine) == POLICY_VIOLATION
        assert model.dialled == dialled
        refused = {line["why"] for line in running.said("refused")}
    assert refused == {"unsigned", "forged", "no_bearer", "ticket_missing", "ticket_forged", "ticket_spent"}


async def test_who_was_refused_and_goes_on_to_send_is_cut_off(tmp_path: Path) -> None:
    """What is taken of a gigabyte is what fits into the kernel's buffers."""
    taken = 0
    async with daemon(tmp_path, Guarded()) as running:
        with trio.fail_after(PATIENCE):
            stream = await trio.open_tcp_stream("127.0.0.1", running.port)
            async with stream:
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(upgrade(""))
                    while taken < 1 << 30:
                        await stream.send_all(bytes(1 << 16))
                        taken += 1 << 16
        twice = upgrade("", "/audiocodes").replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer %b" % BEARER.encode() * 2)
        assert (await http(running.port, (twice + b"\r\n\r\n").decode())).startswith(b"HTTP/1.1 401 ")
    assert taken < 1 << 26


async def test_a_shared_key_signs_a_webhook(tmp_path: Path) -> None:
    form = [("CallSid", MINE), ("From", "+15550100"), ("To", "+15550199")]
    signature = signature_of(SHARED, f"{PUBLIC}/twilio/voice", form, "sha256")
    settings = "X-Twilio-Webhooks-Signature-Settings"
    async with daemon(tmp_path, Guarded()) as running:
        right = {"X-Twilio-Signature": signature, settings: "key=WK1,algorithm=HMAC_SHA256"}
        weaker = {"X-Twilio-Signature": signature, settings: "key=WK1,algorithm=HMAC_SHA1"}
        answers = [(await webhook(running.port, MINE, headers))[:12] for headers in (right, weaker)]
    assert answers == [b"HTTP/1.1 200", b"HTTP/1.1 403"]


async def test_a_full_daemon_refuses_audiocodes_before_the_101_and_tells_twilio_at_the_webhook(tmp_path: Path) -> None:
    request = UPGRADE_REQUEST.decode().replace("GET /echo ", "GET /audiocodes ")
    request = request.replace("Host: a\r\n", f"Host: a\r\nAuthorization: Bearer {BEARER}\r\n")
    async with daemon(tmp_path, Guarded(max_calls=1)) as running, stream(running.port):
        for answer in (await http(running.port, request), await webhook(running.port, MINE)):
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 5\r\n" in answer.lower()


async def test_a_place_is_free_again_when_its_handshake_failed(tmp_path: Path) -> None:
    wrong = upgrade(signature_of(TOKEN, MEDIA, ())).replace(b"Version: 13", b"Version: 12").decode()
    async with daemon(tmp_path, Guarded(max_calls=1)) as running:
        for _ in range(3):
            assert (await http(running.port, wrong)).startswith(b"HTTP/1.1 426 ")
        async with stream(running.port):
            pass


async def test_no_secret_is_in_anything_that_the_daemon_leaves(tmp_path: Path) -> None:
    """Canaries in every secret; the log, the dump, the files of a call, the command lines, what `config` prints."""
    async with backend() as (_, url), daemon(tmp_path, Guarded(model=url)) as running:
        shown = await ticket(running.port, MINE)
        assert await start(running.port, MINE, shown) != POLICY_VIOLATION
        for _ in range(2):
            assert await start(running.port, OTHER, shown) == POLICY_VIOLATION
        await http(running.port, upgrade(FOREIGN).decode())
        running.process.send_signal(signal.SIGUSR1)
        await running.says("dump")
        Guarded(model=url).write(tmp_path, wrong="[server]\n")
        bad = await running.order("reload")
        path = Guarded(model=url).write(tmp_path)
        command = ["-m", "opusagent", "config", str(path)]
        told = await trio.run_process([sys.executable, *command], capture_stdout=True, capture_stderr=True)
        title = await trio.Path(f"/proc/{running.process.pid}/cmdline").read_bytes()
        running.process.terminate()
        await running.ended()
    kept = [file.read_bytes() for file in (tmp_path / "recordings").rglob("*") if file.is_file()]
    assert kept
    said = repr((running.log, running.noise)).encode()
    left = [said, bad.stdout, bad.stderr, told.stdout, told.stderr, title, *kept]
    secrets = (TOKEN, NEXT_TOKEN, SHARED, KEY, BEARER, FOREIGN, shown, shown.rpartition(".")[2])
    assert [secret for secret in secrets if any(secret.encode() in each for each in left)] == []
    assert b'auth_tokens = ["***", "***"]' in told.stdout
