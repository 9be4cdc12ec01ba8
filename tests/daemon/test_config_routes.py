"""`[[agents]]` and `[routes]`: what they mean, and what a person is told who got them wrong."""

import pytest

from opusagent.audio.media import MULAW_8K
from opusagent.call.usage import Prices
from opusagent.daemon.config import Config, doubts, parse
from opusagent.daemon.config_tables import Agent, NamedAgent
from opusagent.daemon.config_talk import CallBudget, TokenPrices
from opusagent.daemon.profile import instructions_of, opening_of, prices_of
from opusagent.daemon.routing import Routes
from opusagent.errors import ConfigError
from opusagent.realtime.codec import render

PLATFORMS = "[twilio]\ninsecure = true\n[audiocodes]\ninsecure = true\n"
SALES = '[[agents]]\nname = "sales"\n'


def config(text: str) -> Config:
    return parse(PLATFORMS + text, {}, source="x")


def problems(text: str, platforms: str = PLATFORMS) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse(platforms + text, {}, source="x")
    return tuple(problem.removeprefix("x: ") for problem in refused.value.problems)


def test_an_agent_says_what_it_says_and_agent_says_the_rest() -> None:
    """Key by key: a table stands for the whole table."""
    read = config("""
        [agent]
        voice = "cedar"
        greeting = "Hello."
        budget = { tokens = 7, dollars = 1 }
        prices = { text_in = 1 }
        [[agents]]
        name = "sales"
        instructions = "Sell."
        budget = { dollars = 0.5 }
        [[agents]]
        name = "clinic"
        voice = "marin"
        language = "pt-BR"
    """)
    prices = TokenPrices(text_in=1)
    assert read.agents == (
        NamedAgent("Sell.", "cedar", "Hello.", budget=CallBudget(dollars=0.5), prices=prices, name="sales"),
        NamedAgent(
            Agent().instructions,
            "marin",
            "Hello.",
            budget=CallBudget(7, 1),
            prices=prices,
            language="pt-BR",
            name="clinic",
        ),
    )
    assert read.of("sales").agent == read.agents[0]
    assert prices_of(read.of("clinic").agent.prices) == Prices(text_in=1)


def test_without_routes_every_call_is_the_default_agents() -> None:
    assert config("") == Config(twilio=config("").twilio, audiocodes=config("").audiocodes)
    assert (config("").routes, config("").crew) == (Routes(), {"default": Agent()})


def test_routes_by_everything() -> None:
    read = config(f"""
        {SALES}
        [routes]
        default = "sales"
        numbers = {{ "+1 555 0100" = "sales", 15550101 = "default" }}
        paths = {{ "/twilio/media/sales" = "sales", "/twilio/media" = "default", "/audiocodes/a/b" = "sales" }}
        bots = {{ "Sales Bot" = "sales" }}
        [routes.parameters]
        department = {{ "Sales & more" = "sales" }}
    """)
    assert read.routes == Routes(
        "sales",
        {"department": {"Sales & more": "sales"}},
        {"Sales Bot": "sales"},
        {"/twilio/media/sales": "sales", "/twilio/media": "default", "/audiocodes/a/b": "sales"},
        {"15550100": "sales", "15550101": "default"},
    )


def test_an_agent_has_the_tools_that_it_names_in_its_order_or_all() -> None:
    read = config("""
        [agent]
        tools = ["end_call"]
        [[agents]]
        name = "a"
        tools = ["send_digits", "end_call"]
        [[agents]]
        name = "b"
        tools = []
        [[agents]]
        name = "c"
        [[tools]]
        built_in = "end_call"
        [[tools]]
        built_in = "send_digits"
    """)
    both = read.tools
    assert [read.of(name).tools for name in ("default", "a", "b", "c")] == [both[:1], both[::-1], (), both[:1]]


def test_a_language_is_told_to_the_model_and_to_whoever_writes_down() -> None:
    read = config('[realtime]\ntranscription = { languages = ["en", "de"] }\n[agent]\nlanguage = "pt-BR"\n')
    sent = render(opening_of(read, MULAW_8K, ()))
    assert "Speak pt-BR (BCP 47)" in instructions_of(read.agent)
    assert '"transcription":{"model":"gpt-transcribe","language":"pt"}' in sent


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[agents]]\n", ["`name` is missing, at {}.name"]),
        (SALES + "voice = 1\n", ["`voice` must be text in quotes, not 1, at {}.voice"]),
        (SALES + SALES, ['`name` must not be "sales", which another agent is called, at agents[1].name']),
        (
            SALES.replace("sales", "refuse"),
            ['`name` must not be "refuse", which [routes] means something else by, at {}.name'],
        ),
        (
            SALES.replace("sales", "a b"),
            ['`name` must be 1 to 64 letters, digits, _ and -, not "a b", at {}.name'],
        ),
        (SALES + "gretting = 'x'\n", ["unknown key `gretting`, did you mean `greeting`? at {}"]),
        (
            SALES + "budget = { dollars = 0 }\n",
            ["`dollars` must be from 0.001 to 10000, not 0, at {}.budget.dollars"],
        ),
        (
            SALES + 'language = "Spanish"\n',
            ['`language` must be a code like "es" or "pt-BR", not "Spanish", at {}.language'],
        ),
        (SALES + 'tools = ["lookup"]\n', ['`tools` names "lookup", and there is no tool, at {}.tools']),
        (
            SALES + 'tools = ["end_cal", "end_call", "end_call"]\n[[tools]]\nbuilt_in = "end_call"\n',
            [
                '`tools` names "end_cal", did you mean `end_call`?, at {}.tools',
                '`tools` names "end_call" 2 times, at {}.tools',
            ],
        ),
        (
            SALES + "interrupt_after_ms = 5\n" + SALES.replace("sales", "other"),
            ['`interrupt_after_ms` takes `interrupt = "after_ms"`, at {}.interrupt_after_ms'],
        ),
        (
            SALES + 'keys = { 0 = { transfer = "desk" } }\n',
            ['`0` transfers to "desk"; targets are none: there is no tool `transfer_call`, at {}.keys'],
        ),
        ("agents = 3\n", ["`agents` must be tables, each begun by [[agents]], not 3, at the top level"]),
        ("[agent]\nvoice = 1\n" + SALES, ["`voice` must be text in quotes, not 1, at agent.voice"]),
    ],
)
def test_agents_that_are_wrong(text: str, told: list[str]) -> None:
    """Each is told once, where it is written: what is inherited is not told again."""
    top, tables = (text, "") if text.startswith("agents =") else ("", text)
    assert sorted(problems(tables, top + PLATFORMS)) == sorted(each.format("agents[0]") for each in told)


NOT_BELOW = 'which is not below twilio.path ("/twilio/media") or audiocodes.path ("/audiocodes")'
MEANT = ': did you mean "/twilio/media/sales", which that webhook leads to?'
KNOWN = "(known are: `sales`, `default`)"


@pytest.mark.parametrize(
    ("text", "told", "place"),
    [
        ('default = "slaes"', '`default` names "slaes", and there is no such agent, did you mean `sales`?', "default"),
        ('bots = { x = "nobody" }', f'`bots` names "nobody", and there is no such agent {KNOWN}', 'bots."x"'),
        ('bots = { x = "refuse" }', f'`bots` names "refuse", and there is no such agent {KNOWN}', 'bots."x"'),
        (
            'parameters = { d = { x = "sale" } }',
            '`parameters` names "sale", and there is no such agent, did you mean `sales`?',
            'parameters.d."x"',
        ),
        ('numbers = "sales"', '`numbers` must be a table like { "a" = "b" }, not "sales"', "numbers"),
        ("numbers = { 1 = 2 }", '`numbers` must hold text in quotes, unlike "1" = 2', "numbers"),
        (
            'parameters = { d = "sales" }',
            '`parameters` must be a table of tables like { department = { "a" = "b" } }, not a table',
            "parameters",
        ),
        (
            'numbers = { "+1 555 0100" = "sales", "sip:15550100@x" = "default" }',
            '`numbers` has "sip:15550100@x", which is "+1 555 0100" in other words',
            'numbers."sip:15550100@x"',
        ),
        ('numbers = { "sip:" = "sales" }', '`numbers` has "sip:", which nobody can dial', 'numbers."sip:"'),
        (
            'paths = { "twilio" = "sales" }',
            '`paths` has a path that must be a plain path like "/twilio/media", not "twilio"',
            'paths."twilio"',
        ),
        (
            'paths = { "/twilio/voice/sales" = "sales" }',
            f'`paths` has "/twilio/voice/sales", {NOT_BELOW}{MEANT}',
            'paths."/twilio/voice/sales"',
        ),
        ('paths = { "/elsewhere" = "sales" }', f'`paths` has "/elsewhere", {NOT_BELOW}', 'paths."/elsewhere"'),
    ],
)
def test_routes_that_are_wrong(text: str, told: str, place: str) -> None:
    assert problems(f"{SALES}[routes]\n{text}\n") == (f"{told}, at routes.{place}",)


def test_a_key_of_routes_that_is_mistyped() -> None:
    assert problems("[routes]\nnumber = {}\n") == ("unknown key `number`, did you mean `numbers`? at routes",)


@pytest.mark.parametrize(
    ("twilio", "audiocodes", "path", "taken", "by"),
    [
        ("/twilio", "/twilio/voice/sales", "/twilio/sales", "/twilio/voice/sales", "audiocodes.path"),
        ("/twilio/voice/a", "/b", "/twilio/voice/a/a", "/twilio/voice/a", "twilio.path"),
    ],
)
def test_a_path_whose_webhook_is_somebody_elses_place(
    twilio: str, audiocodes: str, path: str, taken: str, by: str
) -> None:
    platforms = f'[twilio]\ninsecure = true\npath = "{twilio}"\n[audiocodes]\ninsecure = true\npath = "{audiocodes}"\n'
    told = f'`paths` has "{path}", and "{taken}" is {by}, at routes.paths."{path}"'
    assert problems(f'{SALES}[routes]\npaths = {{ "{path}" = "sales" }}\n', platforms) == (told,)


def test_two_paths_of_which_one_is_the_others_webhook() -> None:
    text = f'{SALES}[routes]\npaths = {{ "/twilio/voice/sales" = "sales", "/twilio/sales" = "sales" }}\n'
    (told,) = problems(text, '[twilio]\ninsecure = true\npath = "/twilio"\n')
    other = '`paths` has "/twilio/sales", and "/twilio/voice/sales" is another path of [routes]'
    assert told == f'{other}, at routes.paths."/twilio/sales"'


def test_what_is_allowed_and_hardly_meant() -> None:
    told = doubts(config(f'{SALES}[[agents]]\nname = "clinic"\n[routes]\nbots = {{ b = "clinic" }}\n'))
    assert told[:2] == [
        'no call reaches the agent "sales": nothing under [routes] leads to it',
        "some calls reach the agent of [agent], which says nothing; routes.default says who gets the others",
    ]
    meant = config(f'{SALES}[routes]\ndefault = "sales"\n')
    assert [doubt for doubt in doubts(meant) if "agent" in doubt] == []


def test_there_are_no_more_agents_than_labels_bear() -> None:
    text = "".join(f'[[agents]]\nname = "a{number}"\n' for number in range(201))
    assert problems(text) == ("`agents` must be at most 200, not 201, at the top level",)
