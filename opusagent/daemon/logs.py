"""The log: one line an event on standard error, for journald or for eyes. Never a line per frame."""

import logging
import sys
from typing import Literal

import msgspec
import structlog

LogStyle = Literal["json", "text"]


def _to_json(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def configure_logs(style: LogStyle, level: int = logging.INFO) -> None:
    """Set how the whole process logs. JSON escapes whatever peers put into a value, so no line can be forged."""
    last = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if style == "json"
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One write a line: during an upgrade two processes share the stream.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries that log through the standard library say nothing here that our own events do not.
    logging.getLogger("trio-websocket").setLevel(logging.CRITICAL)
