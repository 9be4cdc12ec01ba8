"""`[agent.keys]`: what a telephone key does by itself, before the model hears of it."""

from collections.abc import Collection, Mapping
from typing import Final, TypeGuard

import attrs

from opusagent.call.digits import KEYS
from opusagent.call.policy import KeyAction, TransferTo
from opusagent.daemon.config_values import WrongValue, shown

_ALLOWED: Final = 'must be "hang_up", "ignore" or { transfer = "NAME" }'


@attrs.frozen
class KeyBindings:
    """What each bound key does; the other keys are told to the model."""

    actions: Mapping[str, KeyAction | TransferTo] = attrs.field(factory=dict[str, KeyAction | TransferTo])

    def problems(self, targets: Collection[str], place: str = "agent") -> list[str]:
        """What is wrong if `targets` are the names that calls can be transferred to; they are the keys of `place`."""
        known = ", ".join(f"`{target}`" for target in targets) or "none: there is no tool `transfer_call`"
        return [
            f"`{key}` transfers to {shown(action.target)}; targets are {known}, at {place}.keys"
            for key, action in self.actions.items()
            if isinstance(action, TransferTo) and action.target not in targets
        ]


def parse_keys(value: object) -> KeyBindings:
    """The bindings of a table of keys. Raises `WrongValue`, with all that is wrong.

    >>> parse_keys({"0": {"transfer": "reception"}, "9": "hang_up"}).actions["0"]
    TransferTo(target='reception')
    """
    if not _is_table(value):
        raise WrongValue(f'must be a table like {{ 9 = "hang_up" }}, not {shown(value)}')
    wrong = [f"`{key}` must be one of 0-9 * # A-D" for key in value if key not in KEYS]
    actions = {key: _action(action) for key, action in value.items()}
    wrong += [f"`{key}` {_ALLOWED}, not {shown(value[key])}" for key, action in actions.items() if action is None]
    if wrong:
        raise WrongValue(f"has {'; '.join(wrong)}")
    return KeyBindings({key: action for key, action in actions.items() if action is not None})


def _action(value: object) -> KeyAction | TransferTo | None:
    match value:
        case "hang_up":
            return KeyAction.HANG_UP
        case "ignore":
            return KeyAction.IGNORE
        case _ if _is_table(value) and list(value) == ["transfer"] and isinstance(value["transfer"], str):
            return TransferTo(value["transfer"])
        case _:
            return None


def _is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, dict)
