"""The bare relay, to compare with: two sockets, mu-law passed through, and not a thing besides.

    python -m opusagent.bench.relay PORT MODEL_PORT

It is the shape of Twilio's sample for the Realtime API, on `websockets` with uvloop and without a web framework.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

_MULAW: Final = {"format": {"type": "audio/pcmu"}}
_SESSION: Final = {
    "type": "session.update",
    "session": {"type": "realtime", "audio": {"input": _MULAW, "output": _MULAW}},
}


async def relay(caller: ServerConnection, url: str) -> None:
    """One call."""
    async with connect(url, compression=None, max_size=None) as model:
        await model.send(json.dumps(_SESSION))
        stream: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        down = asyncio.create_task(_down(caller, model, stream))
        with suppress(ConnectionClosed):
            await _up(caller, model, stream)
    await down


async def _up(caller: ServerConnection, model: ClientConnection, stream: "asyncio.Future[str]") -> None:
    async for text in caller:
        message: Mapping[str, object] = json.loads(text)
        match message:
            case {"event": "media", "media": {"payload": str(payload)}}:
                await model.send(json.dumps({"type": "input_audio_buffer.append", "audio": payload}))
            case {"event": "start", "start": {"streamSid": str(name)}}:
                stream.set_result(name)
            case {"event": "stop"}:
                return
            case _:
                pass


async def _down(caller: ServerConnection, model: ClientConnection, stream: "asyncio.Future[str]") -> None:
    with suppress(ConnectionClosed):
        async for text in model:
            event: Mapping[str, object] = json.loads(text)
            match event:
                case {"type": "response.output_audio.delta", "delta": str(audio)}:
                    await caller.send(
                        json.dumps({"event": "media", "streamSid": await stream, "media": {"payload": audio}})
                    )
                case {"type": "input_audio_buffer.speech_started"}:
                    await caller.send(json.dumps({"event": "clear", "streamSid": await stream}))
                case _:
                    pass


async def _serve(port: int, url: str) -> None:
    async with serve(lambda caller: relay(caller, url), "127.0.0.1", port, compression=None, max_size=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(int(sys.argv[1]), f"ws://127.0.0.1:{sys.argv[2]}/v1/realtime?model=bench"))
