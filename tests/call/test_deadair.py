"""How long the caller may hear nothing, and what is done about it then."""

from opusagent.call.deadair import MOST_SOUNDS, DeadAir, Remedy, Silence
from opusagent.units import LoopTime

T0 = LoopTime(100.0)


def at(seconds: float) -> LoopTime:
    return LoopTime(T0 + seconds)


def test_a_silence_is_broken_when_it_has_lasted_for_the_bound() -> None:
    """It began when our turn did."""
    air = DeadAir(4.0)
    assert air.observe(Silence.ANSWER_DUE, at(-50), T0) is None
    assert air.deadline == at(4)
    assert air.observe(Silence.ANSWER_DUE, at(-50), at(3.9)) is None
    assert air.observe(Silence.ANSWER_DUE, at(-50), at(4)) is Remedy.SOUND
    assert air.counts == {"the model owes an answer": 1}


def test_a_silence_begins_when_the_last_sound_was_heard() -> None:
    air = DeadAir(4.0)
    assert air.observe(Silence.TOOL, at(3), T0) is None
    assert air.deadline == at(7)


def test_nobody_breaks_the_silence_of_the_caller() -> None:
    air = DeadAir(4.0)
    air.observe(Silence.ANSWER_DUE, T0, T0)
    assert air.observe(None, T0, at(10)) is None
    assert air.deadline is None
    assert air.observe(Silence.ANSWER_DUE, T0, at(10)) is None
    assert air.deadline == at(14)


def test_a_silence_that_nobody_ends_is_given_up_unless_something_else_bounds_it() -> None:
    for cause, last in ((Silence.ANSWER_DUE, Remedy.GIVE_UP), (Silence.TOOL, Remedy.SOUND)):
        air = DeadAir(4.0)
        air.observe(cause, T0, T0)
        remedies = [air.observe(cause, T0, at(4 * number)) for number in range(1, MOST_SOUNDS + 2)]
        assert remedies == [*[Remedy.SOUND] * MOST_SOUNDS, last]


def test_a_model_that_did_not_notice_the_caller_is_asked_before_a_sound_is_played() -> None:
    air = DeadAir(4.0)
    air.observe(Silence.UNHEARD, T0, T0)
    assert air.deadline == at(2)
    assert air.observe(Silence.UNHEARD, T0, at(2)) is Remedy.ASK
    assert air.observe(Silence.ANSWER_DUE, T0, at(2.1)) is None
    assert air.observe(Silence.ANSWER_DUE, T0, at(4)) is Remedy.SOUND


def test_a_silence_that_was_noticed_late_began_earlier() -> None:
    air = DeadAir(4.0)
    air.observe(Silence.MODEL_AWAY, at(-50), T0, lag=3.0)
    assert air.deadline == at(1)


def test_a_silence_goes_on_if_nobody_has_spoken_in_it() -> None:
    """What was said before it is heard once more, by another session: its time and its sounds count on."""
    air = DeadAir(4.0)
    air.observe(Silence.MODEL_AWAY, at(-50), T0)
    assert air.observe(Silence.MODEL_AWAY, at(-50), at(4)) is Remedy.SOUND
    air.observe(None, at(4), at(7))
    assert air.observe(Silence.ANSWER_DUE, at(4), at(7.5), spoken=at(-0.5)) is None
    assert air.deadline == at(8)
    assert [air.observe(Silence.ANSWER_DUE, T0, at(seconds)) for seconds in (8, 12, 16)] == [
        *[Remedy.SOUND] * 2,
        Remedy.GIVE_UP,
    ]


def test_whoever_has_spoken_in_a_silence_has_ended_it() -> None:
    air = DeadAir(4.0)
    air.observe(Silence.MODEL_AWAY, at(-50), T0)
    air.observe(None, T0, at(3))
    assert air.observe(Silence.ANSWER_DUE, T0, at(3.5), spoken=at(2.5), lag=0.5) is None
    assert air.deadline == at(7)


def test_an_answer_begins_the_count_of_sounds_anew() -> None:
    air = DeadAir(4.0)
    air.observe(Silence.ANSWER_DUE, T0, T0)
    for number in range(1, MOST_SOUNDS + 1):
        air.observe(Silence.ANSWER_DUE, T0, at(4 * number))
    air.on_answer()
    assert air.observe(Silence.ANSWER_DUE, T0, at(4 * MOST_SOUNDS + 4)) is Remedy.SOUND
