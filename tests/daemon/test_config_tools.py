"""`[[tools]]`: what a tool may be, and what a person is told who got it wrong."""

from pathlib import Path

import pytest

from opusagent.daemon.config import parse
from opusagent.errors import ConfigError
from opusagent.net.reach import Reach
from opusagent.secret import Secret
from opusagent.tools.built_in import EndCall, SendDigits, TransferCall
from opusagent.tools.declared import Declared, McpServer
from opusagent.tools.function import PythonFunction
from opusagent.tools.loading import load_function
from opusagent.tools.shapes import Choice, Field, Record, Row, Scalar
from opusagent.tools.webhook import Webhook

PLATFORM = "[twilio]\ninsecure = true\n"

SOURCE = '''
def find_slot(day: str) -> str:
    """Find a free slot.

    Args:
        day: Which day.
    """
    return day

def silent(day: str) -> str:
    return day

def wrong(day: bytes) -> str:
    """Take bytes."""
    return ""
'''


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SOURCE)
    (tmp_path / "secret").write_text("hook-secret\n")
    return tmp_path


def tools(text: str) -> tuple[Declared, ...]:
    return parse(PLATFORM + text, {}, source="x.toml").tools


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        tools(text)
    return tuple(problem.removeprefix("x.toml: ") for problem in refused.value.problems)


def test_every_kind_in_full(shop: Path) -> None:
    function = load_function(f"{shop}/shop.py:find_slot")
    silent = load_function(f"{shop}/shop.py:silent")
    day = Field("day", Scalar("string"), "Which day.")
    assert tools(f"""
        [[tools]]
        function = "{shop}/shop.py:find_slot"
        [[tools]]
        function = "{shop}/shop.py:silent"
        name = "quiet"
        description = "Say nothing."
        timeout_seconds = 9
        [[tools]]
        webhook = "https://hooks.example.net/remind?v=1"
        name = "remind"
        description = "Send a reminder."
        secret_file = "{shop}/secret"
        timeout_seconds = 2.5
        [tools.parameters.day]
        description = "Which day."
        choices = ["mon", "tue"]
        [tools.parameters.hours]
        type = "number"
        list = true
        required = false
        [[tools]]
        webhook = "http://127.0.0.1:9/remind"
        name = "local"
        description = "Send a reminder."
        allow_private = true
        [[tools]]
        mcp = "https://mcp.example.net/"
        name = "calendar"
        description = "The clinic's calendar."
        authorization_file = "{shop}/secret"
        allowed_tools = ["free", "busy"]
        [[tools]]
        built_in = "end_call"
        [[tools]]
        built_in = "transfer_call"
        targets = {{ reception = "+15550142", "the doctor" = "sip:doctor@pbx.example.net" }}
        [[tools]]
        built_in = "send_digits"
    """) == (
        PythonFunction(
            name="find_slot", description="Find a free slot.", parameters=Record((day,)), function=function
        ),
        PythonFunction(
            name="quiet",
            description="Say nothing.",
            parameters=Record((Field("day", Scalar("string")),)),
            function=silent,
            timeout_seconds=9,
        ),
        Webhook(
            name="remind",
            description="Send a reminder.",
            parameters=Record((
                Field("day", Choice(("mon", "tue"), ("mon", "tue")), "Which day."),
                Field("hours", Row(Scalar("number")), required=False),
            )),
            url="https://hooks.example.net/remind?v=1",
            secret=Secret("hook-secret"),
            timeout_seconds=2.5,
        ),
        Webhook(
            name="local",
            description="Send a reminder.",
            parameters=Record(),
            url="http://127.0.0.1:9/remind",
            reach=Reach.PRIVATE,
        ),
        McpServer(
            name="calendar",
            url="https://mcp.example.net/",
            description="The clinic's calendar.",
            authorization=Secret("hook-secret"),
            allowed_tools=("free", "busy"),
        ),
        EndCall(),
        TransferCall({"reception": "+15550142", "the doctor": "sip:doctor@pbx.example.net"}),
        SendDigits(),
    )  # fmt: skip


def test_without_tools_there_are_none() -> None:
    assert tools("") == ()


def test_everything_wrong_is_said_at_once_each_with_its_place(shop: Path) -> None:
    text = f"""
        [[tools]]
        function = "no_such_module_here:f"
        [[tools]]
        function = "{shop}/shop.py:silent"
        nmae = "x"
        [[tools]]
        webhook = "http://hooks.example.net/"
        name = "a b"
        timeout_seconds = 0
        [[tools]]
        name = "nothing"
        [[tools]]
        mcp = "http://mcp.example.net/"
        [[tools]]
        built_in = "end_cal"
        [[tools]]
        built_in = "transfer_call"
        [server]
        listen = 3
    """
    assert problems(text) == (
        "`listen` must be text in quotes, not 3, at server.listen",
        (
            '`function` "no_such_module_here:f" cannot be a tool: cannot be imported: ModuleNotFoundError: '
            "No module named 'no_such_module_here', at tools[0].function"
        ),
        "unknown key `nmae`, did you mean `name`? at tools[1]",
        "`description` is missing: the function has no docstring, and a model must be told, at tools[1].description",
        '`webhook` must be https for another machine, not "http://hooks.example.net/", at tools[2].webhook',
        '`name` must be 1 to 64 letters, digits, _ and -, not "a b", at tools[2].name',
        "`timeout_seconds` must be from 0.1 to 120.0, not 0, at tools[2].timeout_seconds",
        "`description` is missing, at tools[2].description",
        "a tool must have exactly one of `function`, `webhook`, `mcp`, `built_in`, at tools[3]",
        '`mcp` must be https, not "http://mcp.example.net/", at tools[4].mcp',
        "`name` is missing, at tools[4].name",
        (
            '`built_in` must be "end_call" or "transfer_call" or "send_digits", not "end_cal", '
            "at tools[5].built_in"
        ),
        "`targets` is missing, at tools[6].targets",
    )  # fmt: skip


NO_TABLES = "`tools` must be tables, each begun by [[tools]]"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('tools = 3\n', f"{NO_TABLES}, not 3, at the top level"),
        ('tools = [1]\n', f"{NO_TABLES}, not an array of something else, at the top level"),
        ('[tools]\nname = "x"\n', f"{NO_TABLES}, not a table, at the top level"),
        ("[[tool]]\n", "unknown key `tool`, did you mean `tools`? at the top level"),
    ],
)  # fmt: skip
def test_what_is_no_array_of_tables(line: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(line + PLATFORM, {}, source="x.toml")
    assert refused.value.problems == (f"x.toml: {complaint}",)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("f", 'must be "module:function" or "file.py:function"'),
        ("os:no_such_thing", "has no `no_such_thing`"),
        ("{shop}/shop.py:wrong", "its parameter `day` is of type bytes, which no model can give"),
        ("{shop}/none.py:f", "cannot be imported: FileNotFoundError: "),
    ],
)
def test_what_is_no_function(name: str, complaint: str, shop: Path) -> None:
    (problem,) = problems(f'[[tools]]\nfunction = "{name.format(shop=shop)}"\n')
    assert problem.partition(" cannot be a tool: ")[2].startswith(complaint)


LOCAL = 'webhook = "http://[::1]/"\nallow_private = true\n'
HOOK = '[[tools]]\nname = "hook"\ndescription = "Hook."\n'


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (
            'webhook = "https://hooks.example.net/"',
            "`secret_file` is missing: requests to another machine are signed, at tools[0].secret_file",
        ),
        (
            'webhook = "http://localhost:9/"',
            (
                "`webhook` is at an address that is not the Internet's, which `allow_private = true` would allow, "
                "at tools[0].webhook"
            ),
        ),
        (
            'webhook = "https://10.1.2.3/"\nsecret_file = "{shop}/secret"',
            (
                "`webhook` is at an address that is not the Internet's, which `allow_private = true` would allow, "
                "at tools[0].webhook"
            ),
        ),
        (
            'webhook = "https://169.254.169.254/"\nallow_private = true\nsecret_file = "{shop}/secret"',
            "`webhook` is at an address where no request may go, at tools[0].webhook",
        ),
        (
            'webhook = "https://u:p@hooks.example.net/"',
            (
                '`webhook` must be an address like "https://hooks.example.net/remind", '
                'not "https://u:p@hooks.example.net/", at tools[0].webhook'
            ),
        ),
        (
            'webhook = "https://hooks.example.net/"\nsecret_file = "/no/such/file"',
            (
                "`secret_file` names /no/such/file, which cannot be read: No such file or directory, "
                "at tools[0].secret_file"
            ),
        ),
        (
            LOCAL + "parameters = 3",
            "`parameters` must be tables, each begun by [tools.parameters.NAME], not 3, at tools[0].parameters",
        ),
        (
            LOCAL + '[tools.parameters.day]\ntype = "text"',
            (
                '`type` must be "string" or "integer" or "number" or "boolean", not "text", '
                "at tools[0].parameters.day.type"
            ),
        ),
        (
            LOCAL + '[tools.parameters.day]\ntype = "integer"\nchoices = ["1"]',
            "`choices` are for parameters of type string, at tools[0].parameters.day.choices",
        ),
    ],
)
def test_what_is_no_webhook(lines: str, complaint: str, shop: Path) -> None:
    assert problems(HOOK + lines.format(shop=shop)) == (complaint,)


@pytest.mark.parametrize(
    ("targets", "complaint"),
    [
        ("{}", 'must be a table of names and numbers like {reception = "+15550142"}, not a table'),
        ("3", 'must be a table of names and numbers like {reception = "+15550142"}, not 3'),
        (
            '{a = "+15550142", b = "reception", c = 1, d = "sip:a b", e = "sip:<x>", f = "http://a/"}',
            'must be telephone numbers or addresses like "sip:desk@pbx.example.net": `b`, `c`, `d`, `e`, `f`',
        ),
    ],
)
def test_what_is_no_target(targets: str, complaint: str) -> None:
    assert problems(f'[[tools]]\nbuilt_in = "transfer_call"\ntargets = {targets}\n') == (
        f"`targets` {complaint}, at tools[0].targets",
    )


def test_targets_belong_to_transfers() -> None:
    assert problems('[[tools]]\nbuilt_in = "end_call"\ntargets = {a = "+15550142"}\n') == (
        '`targets` belong to `built_in = "transfer_call"`, at tools[0].targets',
    )


def test_no_two_tools_have_one_name(shop: Path) -> None:
    text = f'[[tools]]\nfunction = "{shop}/shop.py:find_slot"\nname = "end_call"\n[[tools]]\nbuilt_in = "end_call"\n'
    assert problems(text) == ('`name` must not be "end_call", which another tool is called, at tools[1].name',)


def test_no_text_of_a_tool_shows_its_secret(shop: Path) -> None:
    lines = f'webhook = "https://hooks.example.net/"\nsecret_file = "{shop}/secret"'
    assert "hook-secret" not in repr(tools(HOOK + lines))
