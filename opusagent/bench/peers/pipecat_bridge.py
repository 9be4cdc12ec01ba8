"""Pipecat: its Twilio serializer in front of its OpenAI Realtime service, on FastAPI and uvicorn.

    python pipecat_bridge.py PORT MODEL_PORT

As in its telephony examples: 8 kHz in and out of the pipeline, turns decided by the service, no analysis of its own,
no recording.
"""

import json
import os
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

app = FastAPI()


@app.websocket("/twilio/media")
async def media(websocket: WebSocket) -> None:
    """One call."""
    await websocket.accept()
    messages = websocket.iter_text()
    await anext(messages)
    start = json.loads(await anext(messages))["start"]
    serializer = TwilioFrameSerializer(
        start["streamSid"], start["callSid"], params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
    )
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, serializer=serializer
        ),
    )
    model = OpenAIRealtimeLLMService(
        api_key=os.environ["OPENAI_API_KEY"], base_url=f"ws://127.0.0.1:{sys.argv[2]}/v1/realtime"
    )
    context = LLMContextAggregatorPair(LLMContext([{"role": "developer", "content": "Greet the caller."}]))
    pipeline = Pipeline([transport.input(), context.user(), model, transport.output(), context.assistant()])
    worker = PipelineWorker(pipeline, params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000))

    @transport.event_handler("on_client_connected")
    async def connected(*_: object) -> None:
        await worker.queue_frames([LLMRunFrame()])

    @transport.event_handler("on_client_disconnected")
    async def left(*_: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", ws_per_message_deflate=False)
