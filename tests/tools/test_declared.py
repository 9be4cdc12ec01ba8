"""What a configuration declares: what the service is told, what the session does itself, what is called by us."""

from opusagent.net.client import HttpClient
from opusagent.realtime.sessions import Tool as SessionTool
from opusagent.secret import Secret
from opusagent.tools.built_in import EndCall, SendDigits, TransferCall, spec_of
from opusagent.tools.declared import Declared, McpServer, built_ins, open_toolbox, session_tools
from opusagent.tools.function import PythonFunction
from opusagent.tools.shapes import Record, schema
from opusagent.tools.spec import ToolContext, ToolResult
from opusagent.tools.threads import ToolThreads
from opusagent.tools.webhook import Webhook
from opusagent.units import CallId


def find(**arguments: object) -> str:
    """Find."""
    return f"found {arguments}"


TRANSFER = TransferCall({"front desk": "+15550142"})
DECLARED: tuple[Declared, ...] = (
    EndCall(),
    PythonFunction(name="find", description="Find.", parameters=Record(), function=find),
    McpServer(name="calendar", url="https://mcp.example.net/", authorization=Secret("k"), allowed_tools=("free",)),
    Webhook(name="remind", description="Remind.", parameters=Record(), url="https://hooks.example.net/"),
    TRANSFER,
    SendDigits(),
)
NOTHING = schema(Record())


def test_what_the_service_is_told() -> None:
    assert session_tools(DECLARED) == (
        spec_of(EndCall()).as_session_tool(),
        SessionTool(name="find", description="Find.", parameters=NOTHING),
        SessionTool(
            type="mcp",
            server_label="calendar",
            server_url="https://mcp.example.net/",
            authorization="k",
            allowed_tools=("free",),
            require_approval="never",
        ),
        SessionTool(name="remind", description="Remind.", parameters=NOTHING),
        spec_of(TRANSFER).as_session_tool(),
        spec_of(SendDigits()).as_session_tool(),
    )


def test_what_the_session_does_itself() -> None:
    assert built_ins(DECLARED) == {"end_call": EndCall(), "transfer_call": TRANSFER, "send_digits": SendDigits()}


async def test_what_we_call() -> None:
    box = open_toolbox(DECLARED, HttpClient(), ToolThreads())
    assert [spec.name for spec in box.specs()] == ["find", "remind"]
    assert await box.call("find", "", ToolContext(CallId("c"))) == ToolResult("found {}")
