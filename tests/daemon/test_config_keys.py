"""`[agent.keys]`: what a key may be bound to."""

import pytest

from opusagent.call.policy import KeyAction, TransferTo
from opusagent.daemon.config import parse
from opusagent.daemon.config_keys import KeyBindings
from opusagent.errors import ConfigError

PLATFORM = "[twilio]\ninsecure = true\n"
TRANSFER = '[[tools]]\nbuilt_in = "transfer_call"\ntargets = { reception = "+15550142" }\n'


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse(PLATFORM + text, {}, source="x.toml")
    return tuple(problem.removeprefix("x.toml: ") for problem in refused.value.problems)


def test_keys_hang_up_transfer_or_do_nothing() -> None:
    text = '[agent.keys]\n0 = { transfer = "reception" }\n"#" = "hang_up"\nA = "ignore"\n'
    assert parse(PLATFORM + text + TRANSFER, {}, source="x.toml").agent.keys == KeyBindings(
        {
            "0": TransferTo("reception"),
            "#": KeyAction.HANG_UP,
            "A": KeyAction.IGNORE,
        }
    )


def test_everything_wrong_is_said_at_once() -> None:
    text = (
        '[agent.keys]\n10 = "hang_up"\n1 = "hangup"\n2 = { transfer = 3 }\n3 = { transfer = "a", to = "b" }\n4 = []\n'
    )
    allowed = 'must be "hang_up", "ignore" or { transfer = "NAME" }'
    assert problems(text) == (
        (
            f'`keys` has `10` must be one of 0-9 * # A-D; `1` {allowed}, not "hangup"; `2` {allowed}, not a table; '
            f"`3` {allowed}, not a table; `4` {allowed}, not an array, at agent.keys"
        ),
    )
    assert problems("[agent]\nkeys = 3\n") == ('`keys` must be a table like { 9 = "hang_up" }, not 3, at agent.keys',)


def test_a_target_is_one_that_calls_can_be_transferred_to() -> None:
    text = '[agent.keys]\n0 = { transfer = "doctor" }\n'
    assert problems(text + TRANSFER) == ('`0` transfers to "doctor"; targets are `reception`, at agent.keys',)
    assert problems(text) == (
        '`0` transfers to "doctor"; targets are none: there is no tool `transfer_call`, at agent.keys',
    )
