"""Whether the model may hear the caller."""

from opusagent.call.attention import Attention


def test_a_model_that_may_be_interrupted_hears_everything() -> None:
    attention = Attention(always=False, greeting=False)
    assert attention.may_interrupt
    assert attention.change(busy=True, answered=True) is None


def test_a_model_that_may_never_be_interrupted_is_deaf_while_it_speaks() -> None:
    attention = Attention(always=True, greeting=False)
    changes = [attention.change(busy=busy, answered=True) for busy in (False, True, True, False, True)]
    assert changes == [None, True, None, False, True]
    assert not attention.may_interrupt


def test_a_greeting_that_may_not_be_interrupted_is_the_only_one() -> None:
    """It is over when the model is silent and has spoken: before that, silence is waiting."""
    attention = Attention(always=False, greeting=True)
    steps = [(False, False), (True, False), (True, True), (False, True), (True, True)]
    assert [attention.change(busy=busy, answered=answered) for busy, answered in steps] == [
        None,
        True,
        None,
        False,
        None,
    ]
    assert attention.may_interrupt
