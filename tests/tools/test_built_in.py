"""What the bridge does for the model: told in full, read strictly, and a transfer never to where the model says."""

import pytest

from opusagent.tools.built_in import (
    Asked,
    BuiltIn,
    DigitsAsked,
    EndAsked,
    EndCall,
    SendDigits,
    TransferAsked,
    TransferCall,
    name_of,
    read_asked,
    spec_of,
)
from opusagent.tools.shapes import Misfit

TRANSFER = TransferCall({"front desk": "+15550142", "doctor": "sip:doctor@pbx.example.net"})


def test_what_the_model_is_told_of_a_transfer() -> None:
    """The targets' names, and none of their addresses."""
    spec = spec_of(TRANSFER)
    assert (spec.name, spec.parameters) == (
        "transfer_call",
        {
            "type": "object",
            "properties": {
                "target": {
                    "type": "string",
                    "enum": ["front desk", "doctor"],
                    "description": "Whom to put the caller through to.",
                }
            },
            "required": ["target"],
            "additionalProperties": False,
        },
    )
    assert "5550142" not in str(spec)


def test_each_has_its_name_and_says_what_it_is_for() -> None:
    tools: list[BuiltIn] = [EndCall(), TRANSFER, SendDigits()]
    assert [name_of(tool) for tool in tools] == ["end_call", "transfer_call", "send_digits"]
    assert all(spec_of(tool).name == name_of(tool) and spec_of(tool).description for tool in tools)


@pytest.mark.parametrize(
    ("tool", "arguments", "asked"),
    [
        (EndCall(), "", EndAsked("")),
        (EndCall(), '{"reason":"caller said goodbye"}', EndAsked("caller said goodbye")),
        (TRANSFER, '{"target":"doctor"}', TransferAsked("doctor", "sip:doctor@pbx.example.net")),
        (SendDigits(), '{"digits":"1w2# *abcd"}', DigitsAsked("1w2#*ABCD")),
    ],
)
def test_what_is_asked(tool: BuiltIn, arguments: str, asked: Asked) -> None:
    assert read_asked(tool, arguments) == asked


@pytest.mark.parametrize(
    ("tool", "arguments", "problem"),
    [
        (EndCall(), '{"why":"x"}', "`why` is unknown; known are: reason"),
        (EndCall(), '{"reason":1}', "`reason` must be of type string, not integer"),
        (TRANSFER, "{}", "`target` is missing"),
        (TRANSFER, '{"target":"+15550666"}', '`target` must be one of ["front desk","doctor"]'),
        (TRANSFER, '{"target":"Doctor"}', '`target` must be one of ["front desk","doctor"]'),
        (TransferCall({}), '{"target":"doctor"}', "`target` must be one of []"),
        *(
            (
                SendDigits(),
                f'{{"digits":"{digits}"}}',
                "`digits` must be 1 to 64 of 0-9 * # A-D, and w for a pause of half a second",
            )
            for digits in ("", " ", "12e4", '\\"/><Dial>', "\u0661", "1" * 65)
        ),
    ],
)
def test_what_is_not_done(tool: BuiltIn, arguments: str, problem: str) -> None:
    with pytest.raises(Misfit) as misfit:
        read_asked(tool, arguments)
    assert misfit.value.problems == (problem,)
