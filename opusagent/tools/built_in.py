"""What the bridge itself can do for the model: end the call, transfer it, press keys. Pure: the session performs it.

A transfer goes to a target of the configuration, which the model chooses by its name: no number, address or key that
a caller talks the model into ever leaves here unless the configuration has it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, assert_never

import attrs

from opusagent.tools.shapes import Choice, Field, Misfit, Record, Scalar, read_arguments, schema
from opusagent.tools.spec import ToolSpec

END_CALL: Final = "end_call"
TRANSFER_CALL: Final = "transfer_call"
SEND_DIGITS: Final = "send_digits"

MOST_DIGITS: Final = 64
"""Keys of one use of `send_digits`, pauses included."""

_DIGITS: Final = re.compile(r"[0-9*#A-Dw]+")  # ITU-T Q.23, and w: half a second (Twilio, TwiML `<Play digits>`)


@attrs.frozen
class EndCall:
    """`end_call` may be called."""


@attrs.frozen
class TransferCall:
    """`transfer_call` may be called, with one of `targets`: what the model says, and where that is."""

    targets: Mapping[str, str]


@attrs.frozen
class SendDigits:
    """`send_digits` may be called."""


BuiltIn: TypeAlias = EndCall | TransferCall | SendDigits


@attrs.frozen
class EndAsked:
    """The model wants the call to end, once its goodbye was heard. `reason` is for the report, and may be empty."""

    reason: str


@attrs.frozen
class TransferAsked:
    """The model wants the caller to be put through to `target`, whose name it knows and whose `address` it does not."""

    target: str
    address: str


@attrs.frozen
class DigitsAsked:
    """The model wants keys to be pressed: `0-9*#A-D`, and `w` for half a second of pause."""

    digits: str


Asked: TypeAlias = EndAsked | TransferAsked | DigitsAsked


def name_of(tool: BuiltIn) -> str:
    """What the model calls it."""
    match tool:
        case EndCall():
            return END_CALL
        case TransferCall():
            return TRANSFER_CALL
        case SendDigits():
            return SEND_DIGITS
    assert_never(tool)


def spec_of(tool: BuiltIn) -> ToolSpec:
    """What the model is told about it."""
    return ToolSpec(name_of(tool), _DESCRIPTIONS[name_of(tool)], schema(_parameters(tool)))


def read_asked(tool: BuiltIn, arguments: str) -> Asked:
    """What the model wants by calling `tool` with `arguments` (JSON text).

    Raises:
        Misfit: the arguments do not fit; its text is for the model.
    """
    given = read_arguments(arguments, _parameters(tool))
    match tool:
        case EndCall():
            return EndAsked(str(given.get("reason", "")))
        case TransferCall(targets):
            target = str(given["target"])
            return TransferAsked(target, targets[target])
        case SendDigits():
            return DigitsAsked(_digits(str(given["digits"])))
    assert_never(tool)


def _digits(text: str) -> str:
    digits = text.upper().replace("W", "w").replace(" ", "")
    if not _DIGITS.fullmatch(digits) or len(digits) > MOST_DIGITS:
        raise Misfit([f"`digits` must be 1 to {MOST_DIGITS} of 0-9 * # A-D, and w for a pause of half a second"])
    return digits


def _parameters(tool: BuiltIn) -> Record:
    match tool:
        case EndCall():
            said = "Why the call ends, in a few words. The caller does not hear it."
            return Record((Field("reason", Scalar("string"), said, required=False),))
        case TransferCall(targets):
            names: Sequence[str] = tuple(targets)
            return Record((Field("target", Choice(tuple(names), tuple(names)), "Whom to put the caller through to."),))
        case SendDigits():
            said = "The keys: 0-9 * # A-D, and w for a pause of half a second."
            return Record((Field("digits", Scalar("string"), said),))
    assert_never(tool)


_DESCRIPTIONS: Final = {
    END_CALL: (
        "End the call. Use it when the caller has said goodbye or wants to hang up. Say your goodbye first: "
        "the call ends when it has been heard."
    ),
    TRANSFER_CALL: (
        "Put the caller through to somebody else. Tell the caller first. Afterwards you are no longer on the call."
    ),
    SEND_DIGITS: "Press telephone keys on the line, for a menu or a door at the other end.",
}
