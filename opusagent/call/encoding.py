"""Smaller recordings, made of finished ones by libsndfile: FLAC, which loses nothing, or Opus, which is a tenth.

The WAV goes only when the other file is complete, on the disk, and read back: FLAC sample by sample, Opus for length
and loudness. Until then, and whenever the program ends, the WAV is the recording.

The work is cut into pieces of some seconds of sound, so that whoever runs it can stop between any two.
"""

import fcntl
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import attrs
import msgspec
import numpy as np
import numpy.typing as npt
import soundfile

from opusagent.call.recorder import RECORDING_FILE, REPORT_FILE

Kind = Literal["flac", "opus"]
Samples = npt.NDArray[np.int16]

PIECE_SECONDS: Final = 10

LOUDNESS_DB: Final = 3.0
"""What Opus may change in a recording's power. It is a change of sound, and not of loudness."""
AUDIBLE: Final = 100.0
"""Root of the mean power, as samples count, from which on loudness is compared: -50 dBFS."""

_SUBTYPES: Final[Mapping[Kind, tuple[str, str]]] = {"flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}


class EncodingFailed(Exception):
    """The other file is not what it should be. The WAV is untouched."""


def can_encode(kind: Kind) -> bool:
    """Whether this libsndfile knows the format; Opus is there from 1.0.29 on."""
    container, subtype = _SUBTYPES[kind]
    return subtype in soundfile.available_subtypes(container)


def encode(folder: Path, kind: Kind) -> Generator[None]:
    """Make the recording in `folder` a file of `kind`, a piece at each step; in the end the report names it.

    Nothing happens if there is no WAV, or if it is still being written. Raises `EncodingFailed`, `OSError`.
    """
    wav, target = folder / RECORDING_FILE, folder / f"call.{kind}"
    part = folder / f"call.{kind}.part"
    with suppress(FileNotFoundError, BlockingIOError), _locked(wav) as source:
        part.unlink(missing_ok=True)  # of a process that ended meanwhile
        try:
            yield from _write(source, part, kind)
            yield from _verify(source, part, kind)
            _keep_age(part, os.fstat(source))
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)
        _sync(folder)
        _rename_in_report(folder / REPORT_FILE, target)
        wav.unlink()


@contextmanager
def _locked(path: Path) -> Generator[int]:
    """A descriptor of a finished recording. Raises `BlockingIOError` if somebody writes it or is at work on it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def _write(source: int, part: Path, kind: Kind) -> Iterator[None]:
    container, subtype = _SUBTYPES[kind]
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with _reading(source) as wav:
            form = (wav.samplerate, wav.channels, subtype)
            with closing(soundfile.SoundFile(descriptor, "w", *form, format=container, closefd=False)) as encoded:
                for piece in _pieces(wav):
                    encoded.write(piece)
                    yield
        os.fsync(descriptor)
    except soundfile.LibsndfileError as error:
        raise EncodingFailed(str(error)) from error
    finally:
        os.close(descriptor)


def _verify(source: int, part: Path, kind: Kind) -> Iterator[None]:
    """Read both again, and compare. Raises `EncodingFailed`."""
    descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    before, after = _Power(), _Power()
    try:
        with _reading(source) as wav, _reading(descriptor) as encoded:
            if (wav.frames, wav.samplerate, wav.channels) != (encoded.frames, encoded.samplerate, encoded.channels):
                raise EncodingFailed(f"{encoded.frames} frames came out of {wav.frames}")
            for piece, other in zip(_pieces(wav), _pieces(encoded), strict=True):
                if kind == "flac" and not np.array_equal(piece, other):
                    raise EncodingFailed("the samples are not the same")
                before.add(piece)
                after.add(other)
                yield
    except soundfile.LibsndfileError as error:
        raise EncodingFailed(str(error)) from error
    finally:
        os.close(descriptor)
    if before.root >= AUDIBLE and abs(before.db - after.db) > LOUDNESS_DB:
        raise EncodingFailed(f"the loudness changed from {before.db:.1f} to {after.db:.1f} dB")


@attrs.define
class _Power:
    """The mean power of what was added."""

    total: float = 0.0
    count: int = 0

    def add(self, piece: Samples) -> None:
        self.total += float(np.square(piece.astype(np.float64)).sum())
        self.count += piece.size

    @property
    def root(self) -> float:
        return float(np.sqrt(self.total / max(1, self.count)))

    @property
    def db(self) -> float:
        return 20 * float(np.log10(max(self.root, 1.0)))


@contextmanager
def _reading(descriptor: int) -> Generator[soundfile.SoundFile]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with closing(soundfile.SoundFile(descriptor, closefd=False)) as file:
        yield file


def _pieces(file: soundfile.SoundFile) -> Iterator[Samples]:
    while len(piece := file.read(PIECE_SECONDS * file.samplerate, dtype="int16", always_2d=True)):
        yield piece


def _rename_in_report(report: Path, recording: Path) -> None:
    """Let the report name `recording`. Where there is none, or none that can be read, there is nothing to change."""
    try:
        fields = msgspec.json.decode(report.read_bytes(), type=dict[str, msgspec.Raw])
    except (FileNotFoundError, msgspec.MsgspecError):
        return
    fields["recording"] = msgspec.Raw(msgspec.json.encode(str(recording)))
    content = msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"
    part = report.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    _keep_age(part, report.stat())
    part.rename(report)
    _sync(report.parent)


def _keep_age(path: Path, of: os.stat_result) -> None:
    """Date a file as what it takes the place of: calls are kept by when they ended."""
    os.utime(path, ns=(of.st_atime_ns, of.st_mtime_ns))


def _sync(folder: Path) -> None:
    """Have the names in `folder` on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
