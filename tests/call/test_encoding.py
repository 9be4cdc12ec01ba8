"""Smaller recordings: what is in them, and that the WAV is there until they are whole."""

import errno
import os
import stat
from pathlib import Path

import msgspec
import numpy as np
import pytest

from opusagent.audio.pcm import pcm_of
from opusagent.audio.wav import header
from opusagent.units import HZ_8K

pytest.importorskip("soundfile", reason="the extra `flac` is not installed")

import soundfile

from opusagent.call.encoding import PIECE_SECONDS, EncodingFailed, Kind, can_encode, encode
from opusagent.call.recorder import WavFile

SECONDS = 2 * PIECE_SECONDS + 1
KINDS: list[Kind] = ["flac", "opus"]
kinds = pytest.mark.parametrize("kind", KINDS)


def call_in(folder: Path, *, claims: int | None = None) -> bytes:
    """A finished call of 21 s with a report; `claims`: what the header says there is. The recording."""
    time = np.arange(8000 * SECONDS) / 8000
    sides = np.stack([8000 * np.sin(2 * np.pi * hz * time) for hz in (440, 620)], axis=1)
    samples = pcm_of(sides.astype(np.int16))
    wav = header(2, HZ_8K, len(samples) if claims is None else claims) + samples
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "call.wav").write_bytes(wav)
    (folder / "report.json").write_bytes(b'{"call_id": "x", "recording": "call.wav", "seconds": 21.0}')
    return wav


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def read(path: Path) -> tuple[int, int, int]:
    """Frames, rate and channels."""
    descriptor = os.open(path, os.O_RDONLY)
    with soundfile.SoundFile(descriptor) as file:
        return file.frames, file.samplerate, file.channels


@kinds
def test_the_other_file_takes_the_place_of_the_wav(tmp_path: Path, kind: Kind) -> None:
    """For its owner only, of the same length, smaller, and named by the report, whose other fields stay."""
    wav = call_in(tmp_path)
    for _ in encode(tmp_path, kind):
        assert "call.wav" in names(tmp_path)
    made = tmp_path / f"call.{kind}"
    assert names(tmp_path) == {made.name, "report.json"}
    assert read(made) == (8000 * SECONDS, 8000, 2)
    assert stat.S_IMODE(made.stat().st_mode) == stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == 0o600
    assert made.stat().st_size < len(wav)
    report = msgspec.json.decode((tmp_path / "report.json").read_bytes())
    assert report == {"call_id": "x", "recording": str(made), "seconds": 21.0}


@kinds
def test_a_call_is_no_younger_for_it(tmp_path: Path, kind: Kind) -> None:
    """What is kept by age is kept by when the call ended."""
    call_in(tmp_path)
    for file, age in (("call.wav", 5_000), ("report.json", 6_000)):
        os.utime(tmp_path / file, (age, age))
    list(encode(tmp_path, kind))
    assert ((tmp_path / f"call.{kind}").stat().st_mtime, (tmp_path / "report.json").stat().st_mtime) == (5_000, 6_000)


def test_flac_holds_the_same_samples(tmp_path: Path) -> None:
    wav = call_in(tmp_path)
    list(encode(tmp_path, "flac"))
    with soundfile.SoundFile(os.open(tmp_path / "call.flac", os.O_RDONLY)) as file:
        assert pcm_of(file.read(dtype="int16")) == wav[44:]


@kinds
def test_stopped_at_any_step_the_wav_is_the_recording(tmp_path: Path, kind: Kind) -> None:
    """Nothing is left of what was begun, and the next try succeeds."""
    wav = call_in(tmp_path)
    for stop_after in range(1, 6):
        steps = encode(tmp_path, kind)
        for _ in range(stop_after):
            next(steps)
        steps.close()
        assert names(tmp_path) == {"call.wav", "report.json"}
        assert (tmp_path / "call.wav").read_bytes() == wav
    list(encode(tmp_path, kind))
    assert names(tmp_path) == {f"call.{kind}", "report.json"}


@kinds
def test_killed_at_any_step_the_next_process_finishes(tmp_path: Path, kind: Kind) -> None:
    """What a killed process leaves is part of a file, or both files: the report names one that is there."""
    call_in(tmp_path)
    (tmp_path / f"call.{kind}.part").write_bytes(b"half of it")
    (tmp_path / f"call.{kind}").write_bytes(b"whole, but the WAV is there still")
    (tmp_path / "report.part").write_bytes(b"{")
    list(encode(tmp_path, kind))
    assert names(tmp_path) == {f"call.{kind}", "report.json"}
    assert read(tmp_path / f"call.{kind}")[0] == 8000 * SECONDS


def test_a_damaged_file_is_not_taken(tmp_path: Path) -> None:
    """The verification reads what is on the disk: what was changed there is found, and the WAV stays."""
    wav = call_in(tmp_path)
    steps = encode(tmp_path, "flac")
    for _ in range(4):  # three pieces written, the first one compared
        next(steps)
    with (tmp_path / "call.flac.part").open("rb+") as file:
        file.seek(-2000, os.SEEK_END)
        file.write(bytes(2000))
    with pytest.raises(EncodingFailed):
        list(steps)
    assert names(tmp_path) == {"call.wav", "report.json"}
    assert (tmp_path / "call.wav").read_bytes() == wav


def test_a_recording_that_is_being_made_is_left_alone(tmp_path: Path) -> None:
    file = WavFile(tmp_path / "call.wav", HZ_8K)
    file.create()
    file.append(bytes(32_000))
    assert list(encode(tmp_path, "flac")) == []
    assert names(tmp_path) == {"call.wav"}
    file.close()
    assert list(encode(tmp_path, "flac")) != []


def test_without_a_recording_nothing_happens(tmp_path: Path) -> None:
    assert list(encode(tmp_path, "flac")) == []


def test_a_wav_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "call.wav").write_bytes(b"garbage" * 100)
    with pytest.raises(EncodingFailed):
        list(encode(tmp_path, "flac"))
    assert names(tmp_path) == {"call.wav"}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    call_in(tmp_path / "elsewhere")
    (tmp_path / "call.wav").symlink_to(tmp_path / "elsewhere/call.wav")
    with pytest.raises(OSError, match="symbolic") as refused:
        list(encode(tmp_path, "flac"))
    assert refused.value.errno == errno.ELOOP
    assert (tmp_path / "elsewhere/call.wav").exists()


def test_a_report_that_cannot_be_read_stays_as_it_is(tmp_path: Path) -> None:
    call_in(tmp_path)
    (tmp_path / "report.json").write_bytes(b'{"call_id"')
    list(encode(tmp_path, "flac"))
    assert (tmp_path / "report.json").read_bytes() == b'{"call_id"'
    assert names(tmp_path) == {"call.flac", "report.json"}


@kinds
def test_this_libsndfile_knows_both(kind: Kind) -> None:
    assert can_encode(kind)
