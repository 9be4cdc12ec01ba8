"""The OpenAI Agents SDK in the shape of its Twilio example, on FastAPI and uvicorn.

    python agents_bridge.py PORT MODEL_PORT

As there: mu-law both ways, 50 ms of it in a message to the model, each piece of the model's followed by a mark from
which the playback tracker learns what was played, and a loop that flushes what has waited for too long.
"""

import asyncio
import base64
import json
import os
import sys
import time

import uvicorn
from agents import set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimePlaybackTracker, RealtimeRunner, RealtimeSession
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

PIECE_SECONDS = 0.05
PIECE_BYTES = 400

app = FastAPI()
agent = RealtimeAgent(name="Assistant", instructions="You are a helpful assistant on the telephone.")


class Bridge:
    """One call."""

    def __init__(self, websocket: WebSocket, session: RealtimeSession, tracker: RealtimePlaybackTracker) -> None:
        self.websocket, self.session, self.tracker = websocket, session, tracker
        self.stream = ""
        self.up, self.up_sent = bytearray(), time.time()
        self.marks: dict[str, tuple[str, int, int]] = {}

    async def hear_caller(self) -> None:
        """Until the caller leaves."""
        try:
            while True:
                message = json.loads(await self.websocket.receive_text())
                match message["event"]:
                    case "start":
                        self.stream = message["start"]["streamSid"]
                    case "media":
                        self.up += base64.b64decode(message["media"]["payload"])
                        if len(self.up) >= PIECE_BYTES:
                            await self.flush()
                    case "mark":
                        item, content, size = self.marks.pop(message["mark"]["name"])
                        self.tracker.on_play_bytes(item, content, b"\0" * size)
                    case "stop":
                        return
        except WebSocketDisconnect:
            return

    async def flush(self) -> None:
        """Send what has come from the caller."""
        audio, self.up, self.up_sent = bytes(self.up), bytearray(), time.time()
        await self.session.send_audio(audio)

    async def flush_in_time(self) -> None:
        """The example's loop against audio that waits for too long."""
        while True:
            await asyncio.sleep(PIECE_SECONDS)
            if self.up and time.time() - self.up_sent > 2 * PIECE_SECONDS:
                await self.flush()

    async def hear_model(self) -> None:
        """What the model says, and that it is interrupted."""
        async for event in self.session:
            match event.type:
                case "audio":
                    name = str(len(self.marks) + time.monotonic_ns())
                    self.marks[name] = (event.audio.item_id, event.audio.content_index, len(event.audio.data))
                    await self.tell("media", media={"payload": base64.b64encode(event.audio.data).decode()})
                    await self.tell("mark", mark={"name": name})
                case "audio_interrupted":
                    await self.tell("clear")

    async def tell(self, event: str, **fields: object) -> None:
        """The platform."""
        await self.websocket.send_text(json.dumps({"event": event, "streamSid": self.stream, **fields}))


@app.websocket("/twilio/media")
async def media(websocket: WebSocket) -> None:
    """One call."""
    tracker = RealtimePlaybackTracker()
    session = await RealtimeRunner(agent).run(
        model_config={
            "api_key": os.environ["OPENAI_API_KEY"],
            "url": f"ws://127.0.0.1:{sys.argv[2]}/v1/realtime?model=gpt-realtime",
            "initial_model_settings": {
                "input_audio_format": "g711_ulaw",
                "output_audio_format": "g711_ulaw",
                "turn_detection": {"type": "semantic_vad", "interrupt_response": True, "create_response": True},
            },
            "playback_tracker": tracker,
        }
    )
    async with session:
        await websocket.accept()
        bridge = Bridge(websocket, session, tracker)
        others = [asyncio.create_task(bridge.hear_model()), asyncio.create_task(bridge.flush_in_time())]
        await bridge.hear_caller()
        for other in others:
            other.cancel()


if __name__ == "__main__":
    set_tracing_disabled(disabled=True)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", ws_per_message_deflate=False)
