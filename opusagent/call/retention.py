"""Which recordings are kept: by age, and by their size together. Calls go whole, the oldest first.

    directory/YYYY/MM/DD/<call>/{call.wav, report.json, ...}

Nothing else under the directory is looked at, and no symbolic link on the way is followed: every step down opens a
directory relative to the one above it and refuses links, so that nobody who swaps one in the meantime has anything
outside deleted. A call whose recording is locked is being made, in this process or another; one whose files have
changed within `FRESH` may be, on a file system without locks. Both are left alone.

Everything here blocks, but for `surplus`, which decides.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import attrs

from opusagent.call.recorder import RECORDING_FILE, REPORT_FILE, TRANSCRIPT_FILE

FRESH: Final = 300.0
"""Seconds after its last change in which a call's folder is not removed."""

RECORDINGS: Final = (RECORDING_FILE, "call.flac", "call.opus")
"""What a recording may be called."""

_OURS: Final = frozenset({*RECORDINGS, f"{RECORDING_FILE}.part", REPORT_FILE, TRANSCRIPT_FILE})
_LEVELS: Final = (re.compile(r"[0-9]{4}"), re.compile(r"[0-9]{2}"), re.compile(r"[0-9]{2}"))
_CALL: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Day = tuple[str, str, str]


@attrs.frozen
class Rules:
    """How long calls are kept, and how many bytes of them. None: for ever, and any number."""

    days: float | None = None
    size: int | None = None

    @property
    def is_needed(self) -> bool:
        """Whether anything is ever removed."""
        return self.days is not None or self.size is not None


@attrs.frozen
class KeptCall:
    """One call's folder. `changed`: when any of its files last was, in seconds of the wall clock."""

    day: Day
    name: str
    size: int
    changed: float
    files: frozenset[str]

    def folder(self, directory: Path) -> Path:
        """Where it is."""
        return directory.joinpath(*self.day, self.name)


def days_in(directory: Path) -> list[Day]:
    """The days of which there are recordings, the oldest first."""
    days: list[Day] = []
    for year in _names(directory, (), _LEVELS[0]):
        for month in _names(directory, (year,), _LEVELS[1]):
            days += [(year, month, day) for day in _names(directory, (year, month), _LEVELS[2])]
    return sorted(days)


def calls_of(directory: Path, day: Day) -> list[KeptCall]:
    """The calls of a day. What vanishes while it is looked at is not there."""
    calls: list[KeptCall] = []
    for name in _names(directory, day, _CALL):
        try:
            with _opened(directory, (*day, name)) as folder:
                call = _seen(day, name, folder)
        except OSError:
            continue
        if call.files & _OURS:
            calls.append(call)
    return calls


def surplus(calls: Iterable[KeptCall], rules: Rules, now: float) -> list[KeptCall]:
    """What has to go at `now`, the oldest first."""
    oldest_first = sorted(calls, key=lambda call: (call.changed, call.day, call.name))
    left = sum(call.size for call in oldest_first)
    gone: list[KeptCall] = []
    for call in oldest_first:
        is_old = rules.days is not None and now - call.changed > rules.days * 86_400
        is_too_much = rules.size is not None and left > rules.size
        if (is_old or is_too_much) and now - call.changed > FRESH:
            gone.append(call)
            left -= call.size
    return gone


def remove(directory: Path, call: KeptCall) -> bool:
    """Remove a call with all its files; False if it is being recorded. Raises `OSError`."""
    with _opened(directory, call.day) as day:
        if _is_being_recorded(day, call.name):
            return False
        shutil.rmtree(call.name, dir_fd=day)
        return True


def remove_empty_days(directory: Path, days: Sequence[Day], today: date) -> None:
    """Remove the directories of `days` that are empty. Today's and yesterday's may get a call at any moment."""
    recent = f"{today - timedelta(days=1):%Y/%m/%d}"
    for day in days:
        if "/".join(day) >= recent:
            continue
        with suppress(OSError):  # not empty, or gone
            for depth in (2, 1, 0):
                with _opened(directory, day[:depth]) as above:
                    os.rmdir(day[depth], dir_fd=above)


def _names(directory: Path, levels: Sequence[str], pattern: re.Pattern[str]) -> Iterator[str]:
    """The directories under `directory` and `levels` whose names fit; none if there is no such place."""
    try:
        with _opened(directory, levels) as place, os.scandir(place) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    yield from (name for name in names if pattern.fullmatch(name))


def _seen(day: Day, name: str, folder: int) -> KeptCall:
    """What is in an open folder."""
    size, changed = 0, 0.0
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            about = entry.stat(follow_symlinks=False)
            size += about.st_size
            changed = max(changed, about.st_mtime)
            files.append(entry.name)
    return KeptCall(day, name, size, changed, frozenset(files))


def _is_being_recorded(day: int, name: str) -> bool:
    try:
        folder = os.open(name, _DIRECTORY, dir_fd=day)
    except FileNotFoundError:
        return False
    try:
        recording = os.open(RECORDING_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    finally:
        os.close(folder)
    try:
        fcntl.flock(recording, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(recording)
    return False


@contextmanager
def _opened(directory: Path, levels: Sequence[str]) -> Generator[int]:
    """The directory under `directory`, which may be a link, and `levels`, which may not. Raises `OSError`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for level in levels:
            above, descriptor = descriptor, os.open(level, _DIRECTORY, dir_fd=descriptor)
            os.close(above)
        yield descriptor
    finally:
        os.close(descriptor)
