"""What a configuration says, table by table: frozen values with their defaults and their rules."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import attrs

from opusagent.call.archive import Format, missing_encoder
from opusagent.call.deadair import DEAD_AIR_SECONDS
from opusagent.call.one_way import NO_AUDIO_SECONDS
from opusagent.call.recovery import RECOVERY_SECONDS
from opusagent.call.rollover import ROLLOVER_SECONDS
from opusagent.daemon.config_cluster import Cluster
from opusagent.daemon.config_keys import KeyBindings
from opusagent.daemon.config_talk import Manners, Tuning
from opusagent.daemon.config_tracing import Tracing
from opusagent.daemon.config_twilio import TwilioRest
from opusagent.daemon.config_values import (
    EMBEDDED_BACKEND,
    Listen,
    PublicUrl,
    ServerPath,
    Words,
    WrongValue,
    agent_name,
    between,
    language_tag,
    shown,
)
from opusagent.daemon.routing import DEFAULT_AGENT, Routes
from opusagent.platforms.twilio_signature import SharedKey, TwilioKeys
from opusagent.secret import Secret
from opusagent.tools.declared import Declared, declared_name

DEFAULT_LISTEN: Final = Listen("127.0.0.1", 8080)

# Twilio ends a call after 24 hours unless told otherwise (Programmable Voice, TimeLimit).
LONGEST_CALL_SECONDS: Final = 86_400


@attrs.frozen
class Server:
    """`[server]`: where the daemon listens, what the platforms dial, how many calls it carries at once.

    `drain_seconds` is how long calls may go on once it is told to end. With a `certificate` (a chain, PEM) and its
    `certificate_key` the port speaks TLS. With `reuse_port` several processes share it, and the kernel deals the calls.
    """

    listen: Listen = DEFAULT_LISTEN
    public_url: PublicUrl | None = None
    max_calls: Annotated[int, between(1, 100_000)] = 100
    drain_seconds: Annotated[float, between(0, LONGEST_CALL_SECONDS)] = 300.0
    certificate: Path | None = None
    certificate_key: Path | None = None
    reuse_port: bool = False


@attrs.frozen
class Realtime(Tuning):
    """The backend: `url` is a WebSocket address or `EMBEDDED_BACKEND`; `audio` is what both sides send."""

    url: str = EMBEDDED_BACKEND
    model: str = "gpt-realtime-2.1"
    api_key: Secret | None = None
    audio: Literal["pcm", "pcmu"] = "pcm"

    @property
    def is_embedded(self) -> bool:
        """Whether the backend is the one inside this program."""
        return self.url == EMBEDDED_BACKEND


@attrs.frozen
class Twilio:
    """`[twilio]`: the path of the media stream, and how Twilio is known.

    Whatever it asks for must be signed, by one of the account's `auth_tokens` or of the `shared_keys`. With `ticket` a
    stream must also show the one-time ticket that our TwiML gave to its call. `insecure`: none of it; then callers are
    taken on loopback only, unless it is `insecure_public` as well.
    """

    path: ServerPath = "/twilio/media"
    insecure: bool = False
    auth_tokens: tuple[Secret, ...] = ()
    shared_keys: tuple[SharedKey, ...] = ()
    ticket: bool = True
    insecure_public: bool = False

    @property
    def keys(self) -> TwilioKeys:
        """What Twilio may sign with."""
        return TwilioKeys(self.auth_tokens, self.shared_keys)


AudioCodesFormat = Literal[
    "raw/lpcm16_24",
    "raw/lpcm16",
    "raw/lpcm16_8",
    "raw/mulaw",
    "wav/lpcm16_24",
    "wav/lpcm16",
    "wav/lpcm16_8",
    "wav/mulaw",
]
AUDIOCODES_FORMATS: Final[tuple[AudioCodesFormat, ...]] = get_args(AudioCodesFormat)


@attrs.frozen
class AudioCodes:
    """`[audiocodes]`: where VoiceAI Connect dials, what it must show, and how a call with it goes.

    `formats` are taken in this order. `lead_ms` is how far we may be ahead of the caller's ear, `resume_seconds` how
    long a call whose socket broke waits for the platform to come back.
    """

    path: ServerPath = "/audiocodes"
    tokens: tuple[Secret, ...] = ()
    insecure: bool = False
    formats: tuple[AudioCodesFormat, ...] = AUDIOCODES_FORMATS
    lead_ms: int = 400
    resume_seconds: float = 30.0
    insecure_public: bool = False


@attrs.frozen
class Agent(Manners):
    """`[agent]`: who the model is. With a `greeting` it speaks first. `keys`: what telephone keys do by themselves.

    `tools` are the names of those that it may call, None: all. `language` is the conversation's, None: the caller's.
    """

    instructions: Words = "You are a friendly assistant on the telephone. Answer briefly and in the caller's language."
    voice: Words = "marin"
    greeting: Words | None = None
    keys: KeyBindings = KeyBindings()
    language: Annotated[str, language_tag] | None = None
    tools: tuple[Words, ...] | None = None


@attrs.frozen
class NamedAgent(Agent):
    """One of `[[agents]]`. What it does not say, `[agent]` says."""

    name: Annotated[str, agent_name] = ""


def encodable(form: Format) -> Format:
    """A format that can be made here."""
    missing = missing_encoder(form)
    if missing:
        raise WrongValue(f"{shown(form)} {missing}")
    return form


@attrs.frozen
class Recording:
    """`[recording]`: the directory that calls are recorded in, and how. Without the table nothing is recorded.

    `rate` None is the call's own. Two `channels` are the caller left and the model right; one is both together. The
    `format` is made when a call is over. Calls are kept for `retention_days` and up to `retention_gigabytes`, None: for
    ever and without bound; and no recording begins with less room on the disk than `free_space_megabytes`.
    """

    directory: Path = Path("recordings")
    rate: Literal[8000, 16000, 24000] | None = None
    channels: Literal[1, 2] = 2
    bits: Literal[16] = 16
    format: Annotated[Format, encodable] = "wav"
    retention_days: Annotated[float, between(0.01, 36_500)] | None = None
    retention_gigabytes: Annotated[float, between(0.001, 1_000_000)] | None = None
    free_space_megabytes: Annotated[int, between(0, 1_000_000_000)] = 500


@attrs.frozen
class Audio:
    """`[audio]`: how much of the caller's audio goes to the model in one message.

    In bytes of 16-bit samples at 16 kHz, whatever the leg's own format: 32 are a millisecond. `chunk_bytes` None is the
    platform's own measure, which is the fastest. `chunk_bytes_large` is the most: what comes in larger pieces is cut.
    """

    chunk_bytes: Annotated[int, between(640, 32_000)] | None = None
    chunk_bytes_large: Annotated[int, between(640, 320_000)] = 32_000


@attrs.frozen
class Vad:
    """`[vad]`: the daemon's own ears. `threshold` is a probability, the frames are chunks of 32 ms in a row."""

    enabled: bool = True
    detector: Literal["silero", "energy"] = "silero"
    threshold: Annotated[float, between(0.01, 0.99)] = 0.5
    start_frames: Annotated[int, between(1, 100)] = 2
    stop_frames: Annotated[int, between(1, 100)] = 3


@attrs.frozen
class Quality:
    """`[quality]`: whether the callers' audio is measured, and from where on it is worth an alert.

    `one_way_seconds` without any sound while frames arrive is one-way audio.
    """

    enabled: bool = True
    min_snr_db: Annotated[float, between(0, 100)] = 20.0
    max_thd_percent: Annotated[float, between(0, 100)] = 1.0
    max_clipping_percent: Annotated[float, between(0, 100)] = 0.1
    min_quality_score: Annotated[float, between(0, 100)] = 60.0
    one_way_seconds: Annotated[float, between(1, 3600)] = 10.0


@attrs.frozen
class Alerts:
    """`[alerts]`: answers that come later, and pieces of a caller's audio that are larger, are told to the operator."""

    latency_ms: Annotated[float, between(1, 60_000)] = 500.0
    chunk_bytes: Annotated[int, between(1, 1_000_000)] = 3000


@attrs.frozen
class Limits:
    """`[limits]`: what no call may exceed, how many may begin, and what happens where the model cannot serve a call.

    `calls_*`: at all, and from one address, None: any number. `dead_air_seconds`: how long a caller may hear nothing
    while it is our turn; then they hear `wait_sound`. `recovery_seconds`: how long another session of a lost model is
    tried for; then they hear `apology`, and are passed on to the transfer target `fallback` if there is one. Sounds are
    WAV files, None: tones. `no_audio_seconds`: how long no sound may come from a caller's platform. `rollover_seconds`:
    the age at which a session of the model's is to be relieved by another.
    """

    call_seconds: Annotated[float, between(1, LONGEST_CALL_SECONDS)] = 3600.0
    calls_per_second: Annotated[float, between(0.01, 100_000)] | None = None
    calls_per_source: Annotated[int, between(1, 100_000)] | None = None
    calls_per_second_per_source: Annotated[float, between(0.01, 100_000)] | None = None
    dead_air_seconds: Annotated[float, between(1, 60)] = DEAD_AIR_SECONDS
    no_audio_seconds: Annotated[float, between(1, 600)] = NO_AUDIO_SECONDS
    recovery_seconds: Annotated[float, between(0, 60)] = RECOVERY_SECONDS
    rollover_seconds: Annotated[float, between(1, LONGEST_CALL_SECONDS)] = ROLLOVER_SECONDS
    wait_sound: Path | None = None
    apology: Path | None = None
    fallback: Words | None = None


@attrs.frozen
class Admin:
    """`[admin]`: where a running daemon is asked and told things: a Unix socket, and a port for whoever has a token."""

    socket: Path | None = None
    listen: Listen | None = None
    tokens: tuple[Secret, ...] = ()


@attrs.frozen
class Config:
    """All of it. `tools` are what models may call, in the order in which they are told of them.

    `agent` takes the calls that `routes` do not give to one of `agents`.
    """

    server: Server = Server()
    realtime: Realtime = Realtime()
    twilio: Twilio | None = None
    audiocodes: AudioCodes | None = None
    agent: Agent = Agent()
    recording: Recording | None = None
    limits: Limits = Limits()
    admin: Admin = Admin()
    audio: Audio = Audio()
    vad: Vad = Vad()
    quality: Quality = Quality()
    alerts: Alerts = Alerts()
    tools: tuple[Declared, ...] = ()
    twilio_rest: TwilioRest | None = None
    cluster: Cluster | None = None
    tracing: Tracing | None = None
    agents: tuple[NamedAgent, ...] = ()
    routes: Routes = Routes()

    @property
    def crew(self) -> Mapping[str, Agent]:
        """All agents, by name."""
        return {DEFAULT_AGENT: self.agent, **{agent.name: agent for agent in self.agents}}

    def of(self, name: str) -> "Config":
        """As it is for the calls of one agent: that is its `agent`, and `tools` are what it may call."""
        agent = self.crew[name]
        if agent.tools is None:
            return attrs.evolve(self, agent=agent)
        by_name = {declared_name(tool): tool for tool in self.tools}
        return attrs.evolve(self, agent=agent, tools=tuple(by_name[each] for each in agent.tools))
