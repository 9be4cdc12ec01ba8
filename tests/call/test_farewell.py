"""Ending a call from our side: when it may end, when it must, and what the report says of it."""

from opusagent.call.farewell import Farewell
from opusagent.call.policy import Budget
from opusagent.call.reasons import End, EndReason
from opusagent.call.usage import Prices, Tokens
from opusagent.units import LoopTime

NOW = LoopTime(50.0)


def test_nothing_ends_that_nobody_wants_to_end() -> None:
    farewell = Farewell(15.0, Budget())
    assert (farewell.is_parting, farewell.deadline) == (False, None)
    assert farewell.end(LoopTime(1e9), heard=True) is None


def test_a_call_ends_when_its_goodbye_was_heard() -> None:
    farewell = Farewell(15.0, Budget())
    farewell.begin(NOW)
    assert farewell.end(LoopTime(51.0), heard=False) is None
    assert farewell.end(LoopTime(52.0), heard=True) == End(EndReason.AGENT_DONE)


def test_a_call_ends_when_its_goodbye_takes_too_long() -> None:
    """And the first wish sets the time, however often it is repeated."""
    farewell = Farewell(15.0, Budget())
    farewell.begin(NOW)
    farewell.begin(LoopTime(60.0))
    assert farewell.deadline == 65.0
    unheard = End(EndReason.AGENT_DONE, "the goodbye was not heard to its end in time")
    assert farewell.end(LoopTime(65.0), heard=False) == unheard


def test_money_is_spent_by_tokens_or_by_dollars_whichever_is_first() -> None:
    prices = Prices(audio_out=100.0)
    by_tokens = Farewell(15.0, Budget(tokens=1000))
    by_dollars = Farewell(15.0, Budget(dollars=0.05, prices=prices))
    assert [by_tokens.is_money_spent(Tokens(audio_out=used)) for used in (999, 1000)] == [False, True]
    assert [by_dollars.is_money_spent(Tokens(audio_out=used)) for used in (499, 500)] == [False, True]


def test_without_a_budget_money_is_never_spent() -> None:
    assert not Farewell(15.0, Budget()).is_money_spent(Tokens(audio_out=10**12))


def test_money_is_spent_once() -> None:
    """A call that parts already is not told so again."""
    farewell = Farewell(15.0, Budget(tokens=1))
    farewell.begin(NOW)
    assert not farewell.is_money_spent(Tokens(text_in=5))


def test_the_time_for_a_goodbye_begins_when_it_can_be_heard() -> None:
    farewell = Farewell(15.0, Budget())
    farewell.begin(NOW, after=LoopTime(90.0))
    assert farewell.deadline == 105.0
    farewell.move(LoopTime(80.0))
    assert farewell.deadline == 95.0
    farewell.hasten(LoopTime(60.0))
    farewell.hasten(LoopTime(70.0))
    assert farewell.deadline == 75.0


def test_nobody_says_goodbye_to_a_line_that_is_away() -> None:
    """Nor is the time that was left enough for whoever comes back."""
    farewell = Farewell(15.0, Budget())
    farewell.begin(NOW)
    farewell.suspend()
    assert (farewell.deadline, farewell.is_parting, farewell.end(LoopTime(90.0), heard=True)) == (None, True, None)
    farewell.resume(LoopTime(90.0))
    assert farewell.deadline == 105.0


def test_only_what_is_not_certain_is_withdrawn() -> None:
    farewell = Farewell(15.0, Budget())
    farewell.begin(NOW, certain=False)
    farewell.withdraw()
    assert not farewell.is_parting
    farewell.begin(NOW, certain=False)
    farewell.begin(NOW)
    farewell.withdraw()
    assert farewell.is_parting
