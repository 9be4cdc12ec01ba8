"""Who has the floor: what the beginning and the end of speech mean under each policy."""

import pytest

from opusagent.call.floor import Floor, Verdict
from opusagent.call.policy import Doubt, Interrupt, TurnPolicy
from opusagent.units import LoopTime, Ms

NOW = LoopTime(50.0)
RESUME = TurnPolicy(doubt=Doubt.RESUME, shortest=Ms(400), lag=0.5)
GO_ON = TurnPolicy(doubt=Doubt.GO_ON, shortest=Ms(400), lag=0.5)
AFTER = TurnPolicy(interrupt=Interrupt.AFTER, after=Ms(300), lag=0.5)


def later(seconds: float) -> LoopTime:
    return LoopTime(NOW + seconds)


@pytest.mark.parametrize("policy", [TurnPolicy(), RESUME, GO_ON, AFTER])
def test_speech_into_silence_interrupts_nothing(policy: TurnPolicy) -> None:
    floor = Floor(policy)
    assert floor.on_started(NOW, busy=False) is Verdict.NOTHING
    assert (floor.is_speaking, floor.deadline) == (True, None)
    assert floor.on_stopped(later(0.6)) is Verdict.NOTHING
    assert (floor.is_speaking, floor.take_turn()) == (False, True)


def test_by_default_every_speech_interrupts_at_once() -> None:
    floor = Floor(TurnPolicy())
    assert floor.on_started(NOW, busy=True) is Verdict.INTERRUPT
    assert floor.on_stopped(later(0.6)) is Verdict.NOTHING
    assert floor.take_turn()


def test_in_doubt_the_model_holds_and_goes_on_after_a_noise() -> None:
    """A cough of 100 ms is told as over after another 500, which is before 400 and 500 have passed."""
    floor = Floor(RESUME)
    assert floor.on_started(NOW, busy=True) is Verdict.HOLD
    assert floor.deadline == later(0.9)
    assert floor.on_time(later(0.8)) is Verdict.NOTHING
    assert floor.on_stopped(later(0.6)) is Verdict.RESUME
    assert floor.on_time(later(0.9)) is Verdict.NOTHING
    assert not floor.take_turn()


def test_in_doubt_speech_that_lasts_is_an_interruption() -> None:
    floor = Floor(RESUME)
    floor.on_started(NOW, busy=True)
    assert floor.on_time(later(0.9)) is Verdict.INTERRUPT
    assert floor.deadline is None
    assert floor.on_time(later(1.0)) is Verdict.NOTHING
    assert floor.on_stopped(later(2.0)) is Verdict.NOTHING
    assert floor.take_turn()


def test_an_interruption_by_a_noise_asks_the_model_to_go_on() -> None:
    floor = Floor(GO_ON)
    assert floor.on_started(NOW, busy=True) is Verdict.INTERRUPT
    assert floor.on_stopped(later(0.6)) is Verdict.GO_ON
    assert not floor.take_turn()


def test_an_interruption_by_words_is_a_turn() -> None:
    floor = Floor(GO_ON)
    floor.on_started(NOW, busy=True)
    assert floor.on_stopped(later(1.0)) is Verdict.NOTHING
    assert floor.take_turn()


def test_a_noise_into_silence_is_a_turn_like_any_other() -> None:
    """There is nothing to go on with; what the model makes of it is its own business."""
    floor = Floor(GO_ON)
    floor.on_started(NOW, busy=False)
    assert floor.on_stopped(later(0.6)) is Verdict.NOTHING
    assert floor.take_turn()


def test_speech_shorter_than_the_limit_does_not_interrupt() -> None:
    """200 ms of "uh-huh", told as over 500 ms later, while 300 ms are needed."""
    floor = Floor(AFTER)
    assert floor.on_started(NOW, busy=True) is Verdict.NOTHING
    assert floor.on_stopped(later(0.7)) is Verdict.NOTHING
    assert floor.deadline is None
    assert not floor.take_turn()


def test_speech_longer_than_the_limit_interrupts() -> None:
    floor = Floor(AFTER)
    floor.on_started(NOW, busy=True)
    assert floor.deadline == later(0.8)
    assert floor.on_time(later(0.8)) is Verdict.INTERRUPT
    floor.on_stopped(later(2.0))
    assert floor.take_turn()


def test_a_limit_of_nothing_is_none() -> None:
    floor = Floor(TurnPolicy(interrupt=Interrupt.AFTER, after=Ms(0)))
    assert floor.on_started(NOW, busy=True) is Verdict.INTERRUPT


def test_what_comes_without_speech_is_a_turn() -> None:
    """The service commits by itself when the caller has been silent for long (`idle_timeout_ms`)."""
    floor = Floor(AFTER)
    floor.on_started(NOW, busy=True)
    floor.on_stopped(later(0.7))
    floor.take_turn()
    assert floor.take_turn()


def test_an_end_without_a_beginning_means_nothing() -> None:
    floor = Floor(RESUME)
    assert floor.on_stopped(NOW) is Verdict.NOTHING
    assert floor.take_turn()
