"""The service refuses a setting that only it knows: the call ends, and the report says which."""

from opusagent.audio.media import MULAW_8K
from opusagent.call.hands import no_hands
from opusagent.call.reasons import EndReason
from opusagent.daemon.config import parse
from opusagent.daemon.profile import profile_of
from opusagent.realtime.events import ErrorDetail, ErrorEvent, Session, SessionCreated, SessionUpdate
from opusagent.testing.play import Stage, play

CONFIG = parse(
    """
    [twilio]
    insecure = true
    [realtime.session.audio.output]
    accent = "bavarian"
    """,
    {},
    source="x",
)


def test_the_field_that_was_refused_is_in_the_report() -> None:
    """The service drops the whole update for one unknown field; going on would be a model without instructions."""

    async def script(stage: Stage) -> None:
        model = await stage.dialled()
        await model.send(SessionCreated(session=Session(id="sess_1")))
        await model.expect(SessionUpdate)
        detail = ErrorDetail(
            type="invalid_request_error",
            code="unknown_parameter",
            message="Unknown parameter.",
            param="session.audio.output.accent",
        )
        await model.send(ErrorEvent(error=detail))
        assert (await stage.caller.until_ended()).code == 1011

    report = play(script, profile=profile_of(CONFIG, MULAW_8K, (), no_hands))
    assert report.end is EndReason.MODEL_REFUSED
    assert report.end_detail == "unknown_parameter at session.audio.output.accent: Unknown parameter."
