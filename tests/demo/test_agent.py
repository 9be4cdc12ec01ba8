"""The worked example at work, as a person runs it: a real process, real sockets, real time."""

import re
import socket
import sys
from pathlib import Path

import trio

CLINIC = Path("examples/clinic.toml")
PATIENCE = 90.0

TURN = r"^ +[0-9]+  model +[0-9.]+  bridge +[0-9.]+  platform .* ear +[0-9.]+$"

STORY = [
    "call 1: an appointment",
    'heard to its end: "Hello, this is the clinic.',
    'the model calls find_slot {"day": "tuesday", "after": "10:00"}',
    'the model calls find_slot {"day": "wednesday"}',
    'heard to its end: "Tuesday at half past ten is free.',
    "1 key pressed",
    "the model calls book_slot",
    'book_slot gives {"booked":"tuesday 10:30","name":"Ann"}',
    "the model calls send_reminder",
    "webhook /reminders receives",
    'heard to its end: "You will be reminded.',
    "the model calls end_call",
    "Twilio is asked: Status=completed",
    'heard to its end: "Goodbye, we look forward to seeing you on Tuesday."',
    "turns, in milliseconds",
    "call 2: a caller who interrupts the greeting",
    "the caller barges in",
    "the model calls transfer_call",
    "Twilio is asked: Twiml=",
    "call 3: a caller who presses 0",
    "Twilio is asked: Twiml=",
    "everything happened, and the goodbye was heard to its end",
]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def demo(agent: Path, output: Path) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    command = [sys.executable, "-m", "opusagent", "demo", "--agent", str(agent), "--output", str(output)]
    with trio.fail_after(PATIENCE):
        ran = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


def test_the_clinic_holds_a_whole_conversation_and_says_goodbye_to_its_end(tmp_path: Path) -> None:
    """Tools, a webhook, a digit menu, two transfers and a goodbye, every turn with its latencies, in order."""
    agent = tmp_path / "clinic.toml"
    agent.write_text(CLINIC.read_text().replace(":8091/", f":{free_port()}/"))
    status, shown, log = trio.run(demo, agent, tmp_path)
    place = 0
    for line in STORY:
        assert line in shown[place:], f"{line!r} is missing or too early in:\n{shown}\n{log}"
        place = shown.index(line, place) + len(line)
    assert status == 0
    assert len(re.findall(TURN, shown, re.MULTILINE)) == 4
    left = list(tmp_path.glob("*/*/*/*/call.wav"))
    assert len(left) == 3
    assert all((wav.parent / "transcript.jsonl").exists() for wav in left)


def test_an_agent_without_the_tools_of_the_play_is_told_which(tmp_path: Path) -> None:
    agent = tmp_path / "bare.toml"
    agent.write_text('[twilio]\ninsecure = true\n[[tools]]\nbuilt_in = "end_call"\n')
    status, shown, told = trio.run(demo, agent, tmp_path / "out")
    assert (status, shown) == (2, "")
    for what in ("`find_slot`", "`book_slot`", "`send_reminder`", "`transfer_call`", "`greeting`", "agent.keys"):
        assert what in told
    assert "`end_call`" not in told
