"""Law: whatever a call's parameters hold, the TwiML is well formed and an XML parser reads them back."""

import io
from xml.parsers import expat

from hypothesis import given
from hypothesis import strategies as st

from opusagent.platforms.twiml import connect_stream

# What XML 1.0 has (section 2.2), but for the carriage return, which is tested on its own.
XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"), max_size=80
)


def elements(xml: str) -> list[tuple[str, dict[str, str]]]:
    """Every element of `xml` in order, with its attributes; raises `ExpatError` if it is not well formed."""
    found: list[tuple[str, dict[str, str]]] = []

    def see(name: str, attributes: dict[str, str]) -> None:
        found.append((name, attributes))

    parser = expat.ParserCreate()
    parser.StartElementHandler = see
    parser.ParseFile(io.BytesIO(xml.encode()))
    return found


@given(XML_TEXT, st.dictionaries(XML_TEXT, XML_TEXT, max_size=4))
def test_parameters_are_read_back(url: str, parameters: dict[str, str]) -> None:
    """Nothing that fits is changed, and nothing breaks out of its attribute."""
    assert elements(connect_stream(url, parameters)) == [
        ("Response", {}),
        ("Connect", {}),
        ("Stream", {"url": url}),
        *(("Parameter", {"name": name, "value": value}) for name, value in parameters.items()),
    ]


@given(st.text(st.characters(), max_size=700), st.text(st.characters(), max_size=700))
def test_any_characters_give_well_formed_xml(name: str, value: str) -> None:
    """Control characters, surrogates and excess length included: one parameter, under 500 characters."""
    [_, _, _, (element, parameter)] = elements(connect_stream("wss://x", {name: value}))
    assert (element, [*parameter]) == ("Parameter", ["name", "value"])
    assert len(parameter["name"]) >= 500 or len(parameter["name"] + parameter["value"]) < 500
