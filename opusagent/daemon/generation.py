"""One configuration in force: the file's values, and all that is made of them before a call needs it.

A generation is complete before anybody sees it, and nothing in it changes. The call that began with it keeps it.
"""

import os
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs

from opusagent.audio.quality.metrics import QualityThresholds
from opusagent.audio.vad.energy import EnergyDetector
from opusagent.audio.vad.silero import SpeechNet
from opusagent.audio.wav import WavAudio
from opusagent.call.archive import Keeping
from opusagent.call.breaker import Breaker
from opusagent.call.clips import NO_SOUNDS, Sounds, sound_in
from opusagent.call.hearing import Hearing, HearingSettings
from opusagent.call.recorder import Disk, Recorder
from opusagent.call.retention import Rules
from opusagent.call.tape import TapeKind
from opusagent.daemon.config import Config
from opusagent.daemon.config_cluster import Cluster
from opusagent.daemon.config_tables import Limits, Quality, Recording, Server, Vad
from opusagent.daemon.config_values import reason, shown
from opusagent.daemon.workshop import Workshop
from opusagent.errors import ConfigError, RemoteProtocolError
from opusagent.units import Hz, Ms

Backend = Callable[[Config], Awaitable[str]]
"""Says where the model of a configuration is dialled; starts the embedded one if it is wanted and not there yet."""

CLUSTER: Final = ("cluster", "cluster.redis", "cluster.secret", "cluster.password", "cluster.host")

FIXED: Final = ("server.listen", "server.reuse_port", "admin.socket", "admin.listen", *CLUSTER)
"""What is opened once, when the daemon starts."""


@attrs.frozen(kw_only=True)
class Generation:
    """`trust` is what the model's certificate is held against, `identity` what the port shows, None without TLS.

    `hearing` is the daemon's own ears, None without them. Somebody has to run its `listen`. `keeping` is how long
    recordings stay, and `quality` what callers' lines are measured by, None if they are not. `sounds` are played where
    the model cannot speak, and `breaker` keeps calls from storming a service that is down.
    """

    number: int
    config: Config
    model_url: str
    recorder: Recorder
    trust: ssl.SSLContext | None = None
    identity: ssl.SSLContext | None = None
    hearing: Hearing | None = None
    keeping: Keeping = Keeping()
    quality: QualityThresholds | None = None
    sounds: Sounds = NO_SOUNDS
    breaker: Breaker = attrs.field(factory=Breaker)
    workshop: Workshop


async def settle(number: int, config: Config, backend: Backend, disk: Disk) -> Generation:
    """Make a generation of `config`, trying out what only trying can tell.

    Raises:
        ConfigError: the certificate or its key cannot be used, or recordings cannot be written. All of it at once.
    """
    settled: list[_Settling] = []
    try:
        await disk(lambda: settled.append(_prepare(config)))
    except OSError as error:
        raise ConfigError([f"the disk failed while the configuration was tried: {_why(error)}"]) from error
    (settling,) = settled
    url = await backend(config)
    return Generation(
        number=number,
        config=config,
        model_url=with_model(url, config.realtime.model),
        recorder=Recorder(settling.directory, disk, kind_of(config.recording), least_free(config.recording)),
        keeping=keeping_of(config.recording),
        quality=thresholds_of(config.quality),
        trust=settling.trust,
        identity=settling.identity,
        hearing=settling.hearing,
        sounds=settling.sounds,
        workshop=Workshop(config, settling.outside),
    )


def kind_of(recording: Recording | None) -> TapeKind:
    """How `[recording]` wants tapes to be."""
    if recording is None:
        return TapeKind()
    return TapeKind(None if recording.rate is None else Hz(recording.rate), recording.channels)


def least_free(recording: Recording | None) -> int:
    """The bytes without which no recording begins."""
    return 0 if recording is None else recording.free_space_megabytes * 10**6


def keeping_of(recording: Recording | None) -> Keeping:
    """What becomes of recordings when their calls are over."""
    if recording is None:
        return Keeping()
    gigabytes = recording.retention_gigabytes
    rules = Rules(recording.retention_days, None if gigabytes is None else round(gigabytes * 10**9))
    return Keeping(recording.directory, recording.format, rules)


def thresholds_of(quality: Quality) -> QualityThresholds | None:
    """What `[quality]` holds callers' lines against."""
    if not quality.enabled:
        return None
    return QualityThresholds(
        quality.min_snr_db,
        quality.max_thd_percent,
        quality.max_clipping_percent,
        quality.min_quality_score,
        Ms(round(quality.one_way_seconds * 1000)),
    )


def hearing_of(vad: Vad) -> Hearing | None:
    """The ears that `[vad]` asks for. Loads the network's weights, which takes a moment."""
    if not vad.enabled:
        return None
    detector = SpeechNet() if vad.detector == "silero" else EnergyDetector()
    return Hearing(detector, HearingSettings(vad.threshold, vad.start_frames, vad.stop_frames))


def identity_of(server: Server) -> ssl.SSLContext | None:
    """What the port shows its clients: TLS 1.2 or newer, or None for plain TCP. Raises `ConfigError`."""
    if server.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(server.certificate, server.certificate_key, password=_no_password)
    except (OSError, ValueError) as error:
        names = f"{server.certificate} and {server.certificate_key}"
        raise ConfigError([f"`certificate` cannot be used: {names}: {_why(error)}, at server.certificate"]) from error
    return context


def changes(old: Config, new: Config) -> tuple[str, ...]:
    """The keys whose values differ, as `table.key`; a table that has come or gone by its name alone.

    >>> changes(Config(), attrs.evolve(Config(), server=Server(max_calls=7)))
    ('server.max_calls',)
    """
    return tuple(_changes(old, new))


def fixed_problems(old: Config, new: Config) -> list[str]:
    """Why `new` cannot follow `old` without a restart, key by key."""
    changed = set(changes(old, new))
    return [
        f"`{key.rpartition('.')[2]}` cannot change while the daemon runs: it is {_in_force(old, key)} and the file "
        f"says {_in_force(new, key)}: restart the daemon, or put the old value back, at {key}"
        for key in FIXED
        if key in changed
    ]


def with_model(url: str, model: str) -> str:
    """`url` with the model in its query, unless the query names one or a call (OpenAI Realtime, connection).

    >>> with_model("wss://api.openai.com/v1/realtime", "gpt-realtime-2.1")
    'wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1'
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if not {"model", "call_id", "intent"} & {name for name, _ in query}:
        query.append(("model", model))
    return urlunsplit(parts._replace(query=urlencode(query)))


@attrs.frozen
class _Settling:
    identity: ssl.SSLContext | None
    trust: ssl.SSLContext | None
    outside: ssl.SSLContext
    directory: Path | None
    hearing: Hearing | None
    sounds: Sounds


def try_out(config: Config) -> None:
    """Try what only trying can tell, and leave nothing behind. Raises `ConfigError`, all of it at once."""
    directory = config.recording.directory if config.recording else None
    _tried(config, () if directory is None else _would_be_unwritable(directory))


def _prepare(config: Config) -> _Settling:
    """All that touches a disk. Raises `ConfigError`."""
    directory = config.recording.directory if config.recording else None
    identity, sounds = _tried(config, () if directory is None else _unwritable(directory))
    outside = ssl.create_default_context()
    trust = outside if urlsplit(config.realtime.url).scheme == "wss" else None
    return _Settling(identity, trust, outside, directory, hearing_of(config.vad), sounds)


def _tried(config: Config, unwritable: Iterable[str]) -> tuple[ssl.SSLContext | None, Sounds]:
    """What the port shows its clients, and what callers hear of us.

    Raises `ConfigError`, also if the recordings' directory is `unwritable`.
    """
    problems: list[str] = []
    identity = None
    try:
        identity = identity_of(config.server)
    except ConfigError as wrong:
        problems.extend(wrong.problems)
    sounds = Sounds(*(_sound(config.limits, key, problems) for key in ("wait_sound", "apology")))
    problems.extend(unwritable)
    if problems:
        raise ConfigError(problems)
    return identity, sounds


def _would_be_unwritable(directory: Path) -> Iterator[str]:
    """Why no recording could be kept in `directory`, which is not made if it is not there."""
    place = next((each for each in (directory, *directory.absolute().parents) if os.path.lexists(each)), directory)
    yield from _fault_of(directory, partial(_keep_a_byte, place))


def _sound(limits: Limits, key: Literal["wait_sound", "apology"], problems: list[str]) -> WavAudio | None:
    path = limits.wait_sound if key == "wait_sound" else limits.apology
    if path is None:
        return None
    try:
        return sound_in(path.read_bytes())
    except (OSError, RemoteProtocolError) as error:
        problems.append(f"`{key}` cannot be played: {path}: {_why(error)}, at limits.{key}")
        return None


def _unwritable(directory: Path) -> Iterator[str]:
    """Why no recording can be kept in `directory`, found by keeping one byte there for a moment."""

    def keep() -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep_a_byte(directory)

    yield from _fault_of(directory, keep)


def _keep_a_byte(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory) as trial:
        trial.write(b"\0")
        trial.flush()
        os.fsync(trial.fileno())


def _fault_of(directory: Path, keep: Callable[[], None]) -> Iterator[str]:
    try:
        keep()
    except (OSError, ValueError) as error:
        yield f"`directory` cannot be written to: {directory}: {_why(error)}, at recording.directory"


def _changes(old: Config, new: Config) -> Iterator[str]:
    for table in attrs.fields(Config):
        before: object = getattr(old, table.name)
        after: object = getattr(new, table.name)
        if before == after:
            continue
        kind = type(before)
        if not attrs.has(kind) or kind is not type(after):
            yield table.name
            continue
        for field in attrs.fields(kind):
            if getattr(before, field.name) != getattr(after, field.name):
                yield f"{table.name}.{field.name}"


def _in_force(config: Config, key: str) -> str:
    match key:
        case "server.listen":
            return shown(config.server.listen.address)
        case "server.reuse_port":
            return shown(config.server.reuse_port)
        case "admin.listen":
            return "not set" if config.admin.listen is None else shown(config.admin.listen.address)
        case "admin.socket":
            return "not set" if config.admin.socket is None else shown(str(config.admin.socket))
        case _:
            return _of_cluster(config.cluster, key.rpartition(".")[2])


def _of_cluster(cluster: Cluster | None, field: str) -> str:
    match field:
        case _ if cluster is None:
            return "not set"
        case "redis":
            return shown(cluster.redis)
        case "host":
            return shown(cluster.host)
        case "cluster":
            return "set"
        case _:
            return "another"


def _no_password() -> str:
    # Without this OpenSSL asks at the terminal, and a daemon waits for ever.
    raise ValueError("the key is protected by a password")


def _why(error: OSError | ValueError | RemoteProtocolError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{error.reason or error}".lower().replace("_", " ")
    return reason(error)
