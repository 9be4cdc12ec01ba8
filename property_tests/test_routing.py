"""Laws: every call has one answer, the first in the stated order that knows it; a number is one in every spelling."""

from hypothesis import assume, example, given
from hypothesis import strategies as st

from opusagent.daemon.routing import (
    REFUSE,
    Ground,
    Inbound,
    NoAgent,
    Routed,
    Routes,
    awaits_number,
    choose,
    plain_number,
)

FEW = st.sampled_from(["a", "b", "c", ""])
AGENTS = st.sampled_from(["default", "sales", "clinic"])
NAMES = st.dictionaries(FEW, AGENTS, max_size=3)
DIGITS = st.from_regex(r"[0-9]{3,15}", fullmatch=True)
NUMBERED = st.dictionaries(DIGITS | st.sampled_from(["100", "200"]), AGENTS, max_size=3)

routes = st.builds(
    Routes,
    AGENTS | st.just(REFUSE),
    st.dictionaries(FEW, NAMES, max_size=2),
    NAMES,
    NAMES,
    NUMBERED,
)
calls = st.builds(
    Inbound,
    st.sampled_from(["twilio", "audiocodes"]),
    FEW,
    st.none() | st.sampled_from(["100", "+200", "tel:1-00", "300"]) | st.text(max_size=5),
    st.dictionaries(FEW, FEW, max_size=3),
    FEW,
)


def naive(routes: Routes, call: Inbound) -> str | None:
    """Who takes the call, told as the manual tells it; None for nobody."""
    if call.platform == "twilio":
        for name in routes.parameters:
            for value, agent in routes.parameters[name].items():
                if (name, value) in call.parameters.items():
                    return agent
    elif call.bot in routes.bots:
        return routes.bots[call.bot]
    if call.path in routes.paths:
        return routes.paths[call.path]
    for number, agent in routes.numbers.items():
        if number == plain_number(call.number or ""):
            return agent
    return None if routes.default == REFUSE else routes.default


@given(routes, calls)
def test_the_first_of_the_order_that_knows_the_call_decides(routes: Routes, call: Inbound) -> None:
    choice = choose(routes, call)
    match choice:
        case Routed(agent=agent):
            assert agent == naive(routes, call)
        case NoAgent():
            assert naive(routes, call) is None


@given(routes, calls, st.text(max_size=8))
def test_a_call_is_asked_for_its_number_exactly_if_that_may_matter(routes: Routes, call: Inbound, said: str) -> None:
    """Who is not asked would get the same agent whatever they said; who has said it is not asked again."""
    named = Inbound(call.platform, call.path, said, call.parameters, call.bot)
    assert not awaits_number(routes, named)
    if not awaits_number(routes, call) and call.number is None:
        assert choose(routes, named) == choose(routes, call)
    elif call.number is None:
        ground = getattr(choose(routes, named), "ground", Ground.DEFAULT)
        assert ground in {Ground.NUMBER, Ground.DEFAULT}


@given(
    DIGITS,
    st.sampled_from(["", "+"]),
    st.lists(st.sampled_from(["", " ", "-", ".", "(", ")", "/", "\u00a0"]), min_size=16, max_size=16),
    st.sampled_from(
        ["{}", " {} ", "tel:{}", "sip:{}@pbx.example.net", "SIPS:{}@[::1]:5061;transport=tls", '"A B" <sip:{};x=1@h>']
    ),
)
def test_a_number_is_its_digits_however_it_is_written(digits: str, plus: str, between: list[str], way: str) -> None:
    written = plus + "".join(digit + mark for digit, mark in zip(digits, between, strict=False))
    assert plain_number(way.format(written)) == digits


@given(st.text() | st.text("sipte l:+1<>@;?-aB"))
@example("sip:sip:1")
@example("<tel:1")
@example("\u0130:x")
def test_a_plain_number_stays_as_it_is(text: str) -> None:
    assert plain_number(plain_number(text)) == plain_number(text)


@given(DIGITS, DIGITS)
def test_two_numbers_stay_two(one: str, other: str) -> None:
    assume(one != other)
    assert plain_number(f"+{one}") != plain_number(f"tel:{other}")
