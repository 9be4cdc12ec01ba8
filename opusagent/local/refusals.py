"""How the service says no: one exception inside the machine, one `error` event outside."""

from opusagent.errors import OpusagentError
from opusagent.realtime.events import ErrorDetail


class Refusal(OpusagentError):
    """A client event was refused as a whole; nothing of it took effect. The session stays open."""

    def __init__(self, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param

    def detail(self, event_id: str | None) -> ErrorDetail:
        """What the `error` event says; `event_id` is that of the refused event."""
        return ErrorDetail(
            type="invalid_request_error",
            code=self.code,
            message=str(self),
            param=self.param,
            event_id=event_id,
        )
