"""What a session counted."""

import attrs

from opusagent.call.usage import Tokens


@attrs.frozen
class SessionCounts:
    """Turns are the caller's. Errors and unknown messages are by code and by kind, silences by cause."""

    turns: int
    barge_ins: int
    false_barge_ins: int
    responses: int
    tool_calls: int
    tokens: Tokens
    model_errors: dict[str, int]
    unknown: dict[str, int]
    silences: dict[str, int]
