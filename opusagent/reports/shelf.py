"""Finds reports and reads them. What cannot be read is told with its reason, and the others are there all the same."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
import msgspec

from opusagent.call.recorder import RECORDING_FILE, REPORT_FILE, TRANSCRIPT_FILE
from opusagent.call.report import CallReport

LARGEST: Final = 16 * 1024 * 1024
"""Bytes. A report with all the lines that it may have is a tenth of this; what is larger is none."""

_CALL_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_DECODER: Final = msgspec.json.Decoder(CallReport)


@attrs.frozen
class Filed:
    """A report and the file that it was read from."""

    path: Path
    report: CallReport

    @property
    def transcript(self) -> Path:
        """Where the call's transcript is, if there is one."""
        return self.path.with_name(TRANSCRIPT_FILE)


@attrs.frozen
class Unreadable:
    """A file that should be a report, and why it is none."""

    path: Path
    why: str


def read(path: Path) -> Filed | Unreadable:
    """The report at `path`. Fields that this version does not know are passed over."""
    try:
        if not path.is_file():
            return Unreadable(path, "there is no such file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        return Unreadable(path, f"it cannot be read: {error.strerror}")
    if len(content) > LARGEST:
        return Unreadable(path, f"it is larger than any report: more than {LARGEST // 1024**2} MiB")
    if not content.strip():
        return Unreadable(path, "it is empty: the process ended, or the disk was full, before it was written")
    try:
        return Filed(path, _DECODER.decode(content))
    except msgspec.ValidationError as error:
        return Unreadable(path, f"it is no report of this version: {error}")
    except (msgspec.DecodeError, RecursionError) as error:
        return Unreadable(path, f"it is not JSON, or only the beginning of it: {error}")


def find(target: str | None, directory: Path) -> Sequence[Filed | Unreadable]:
    """The reports that `target` names: a report, a folder of one call or of many, or a call's id under `directory`.

    Without a `target` all under `directory`. Reports come first, the earliest call first.
    """
    found = [read(path) for path in _paths(target, directory)]
    reports = sorted((each for each in found if isinstance(each, Filed)), key=_by_time)
    return [*reports, *(each for each in found if isinstance(each, Unreadable))]


def nothing_found(target: str | None, directory: Path) -> str:
    """Why there are no reports of `target`: where they were looked for, and calls that have left a recording only."""
    place = directory if target is None else Path(target)
    is_id = target is not None and not place.exists()
    where = f"{target}: no report of such a call below {directory}" if is_id else f"{place}: no reports below it"
    tapes = directory.rglob(f"{target}/{RECORDING_FILE}") if is_id else place.rglob(RECORDING_FILE)
    tape = next(iter(tapes), None)
    if tape is None:
        return f"{where}; a call that was recorded leaves a {REPORT_FILE}, and --directory says where"
    return f"{where}; {tape} is a recording without a report: the call goes on, or the daemon was killed in it"


def _by_time(filed: Filed) -> tuple[float, str]:
    return (filed.report.started.timestamp(), filed.report.call_id)


def _paths(target: str | None, directory: Path) -> Iterator[Path]:
    place = directory if target is None else Path(target)
    if place.is_dir():
        yield from sorted(place.rglob(REPORT_FILE))
    elif target is None or place.exists() or not _CALL_ID.fullmatch(target):
        yield place
    else:
        yield from sorted(directory.rglob(f"{target}/{REPORT_FILE}"))
