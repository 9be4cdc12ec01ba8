"""The log: one line an event on standard error, for journald or for eyes. Never a line per frame.

Names, numbers and reasons in it come from networks. Whatever they hold, an event is one line of printable characters:
no line can be forged, and none moves a terminal's cursor.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Final, Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

LogStyle = Literal["json", "text"]

_PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""What journald takes a line that begins with `<N>` for (sd-daemon(3), syslog(3))."""


def printable(line: str) -> str:
    r"""`line` with everything that does not print escaped as in JSON, which JSON may be without changing its meaning.

    >>> printable("a" + chr(27) + "[2J" + chr(10) + chr(0x202E) + "b")
    'a\\u001b[2J\\n\\u202eb'
    """
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def is_journal(environ: Mapping[str, str], fd: int) -> bool:
    """Whether what is written to `fd` goes to journald (systemd.exec(5), JOURNAL_STREAM: device and inode)."""
    try:
        opened = os.fstat(fd)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{opened.st_dev}:{opened.st_ino}"


def _to_json(event: object, **_: object) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=str).decode()
    except UnicodeError:  # half of a surrogate pair, as a file's name may hold
        return json.dumps(event, default=str)


def configure_logs(
    style: LogStyle, level: int = logging.INFO, *, journal: bool = False, stream: TextIO | None = None
) -> None:
    """Set how the whole process logs, to `stream` or standard error. For a `journal` each line has its priority."""
    render = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if style == "json"
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True)
    )

    def line(logger: WrappedLogger, method: str, event: EventDict) -> str:
        priority = f"<{_PRIORITIES.get(method, 6)}>" if journal else ""
        return priority + printable(_text(render(logger, method, event)))

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One write a line: during an upgrade two processes share the stream.
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    # They log through the standard library, in lines that are no JSON, what our own events say as well.
    for library in ("coredis", "opentelemetry", "urllib3"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def _text(rendered: str | bytes) -> str:
    return rendered if isinstance(rendered, str) else rendered.decode()
