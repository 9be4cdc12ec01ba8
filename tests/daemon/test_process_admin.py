"""The admin side of a running process: its port with a token, its commands, and both through an upgrade."""

import json
import re
from pathlib import Path

import trio

from opusagent.units import Ms
from tests.daemon.process import PATIENCE, DaemonProcess, Settings, be_answered, call, daemon, http

MONITORING = Path(__file__).parents[2] / "examples" / "monitoring"

TOKEN = "correct-horse-battery"


def with_port(directory: Path) -> str:
    """What belongs under [admin]."""
    (directory / "tokens").write_text(f"{TOKEN}\n")
    return f'listen = "127.0.0.1:0"\ntokens_file = "{directory}/tokens"\n'


LIVE = 'opusagent_calls{platform="twilio",state="talking"}'
ENDED = 'opusagent_calls_ended_total{platform="twilio",reason="caller_hung_up"}'


def figure(page: str, series: str) -> float:
    """The value of one series."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])


def port_of(running: DaemonProcess) -> int:
    return int(str(running.said("ready")[0]["admin_port"]))


async def ask_port(running: DaemonProcess, method: str, path: str, token: str = TOKEN) -> tuple[int, str]:
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    head, _, body = (await http(port_of(running), request)).decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


async def test_a_call_is_seen_and_ended_by_an_operator(tmp_path: Path) -> None:
    """By command over the socket, and by token over the port; the caller's platform reads a goodbye."""
    settings = Settings(admin=with_port(tmp_path))
    async with daemon(tmp_path, settings) as running, call(running.port) as caller:
        await caller.hear(Ms(200))
        status, body = await ask_port(running, "GET", "/calls")
        (seen,) = json.loads(body)
        shown = await running.order("calls", seen["call_id"], "--json")
        detail = json.loads(shown.stdout)
        assert (status, detail["call"]["call_id"], detail["progress"]["is_ready"]) == (200, seen["call_id"], True)
        assert detail["progress"]["audio"]["model_pushed"] >= 200
        assert (await ask_port(running, "GET", "/calls", "wrong-token"))[0] == 401
        assert (await ask_port(running, "POST", f"/calls/{seen['call_id']}/hangup", "wrong-token"))[0] == 401
        await be_answered(caller)
        assert (await running.order("hangup", seen["call_id"])).returncode == 0
        (ended,) = await running.says("call ended")
        assert (ended["call"], ended["reason"]) == (seen["call_id"], "ended by an operator")
        gone = await running.order("hangup", seen["call_id"])
        assert (gone.returncode, b"there is no call" in gone.stderr) == (1, True)


async def test_an_operator_pauses_a_recording(tmp_path: Path) -> None:
    """The report says from when to when; that nothing of it is kept is a law of its own."""
    async with daemon(tmp_path, Settings(admin=with_port(tmp_path))) as running:
        async with call(running.port) as caller:
            await be_answered(caller)
            ((_, body),) = [await ask_port(running, "GET", "/calls")]
            (seen,) = json.loads(body)
            recording = f"/calls/{seen['call_id']}/recording"
            assert [(await ask_port(running, "POST", f"{recording}/{word}"))[0] for word in ("pause", "resume")] == [
                200
            ] * 2
            assert (await ask_port(running, "POST", f"{recording}/pause", "wrong-token"))[0] == 401
            assert (await ask_port(running, "POST", f"{recording}/pause"))[0] == 200
            await be_answered(caller)
            await caller.hang_up()
        await running.says("call ended")
        running.process.terminate()
        assert await running.ended() == 0
        (report,) = (tmp_path / "recordings").rglob("report.json")
        first, second = json.loads(report.read_bytes())["recording_pauses"]
        assert (first["ended"] - first["began"] < second["began"], second["ended"]) == (True, None)


async def test_metrics_of_a_call_while_it_talks_and_when_it_is_over(tmp_path: Path) -> None:
    settings = Settings(admin=with_port(tmp_path))
    async with daemon(tmp_path, settings) as running:
        async with call(running.port) as caller:
            await caller.hear(Ms(200))
            await be_answered(caller)
            _, during = await ask_port(running, "GET", "/metrics")
            await caller.hang_up()
        after = during
        with trio.fail_after(PATIENCE):
            await trio.lowlevel.checkpoint()
            while figure(after, LIVE) or not figure(after, ENDED):
                _, after = await ask_port(running, "GET", "/metrics")
    assert (figure(during, LIVE), figure(after, LIVE)) == (1, 0)
    assert (figure(during, ENDED), figure(after, ENDED)) == (0, 1)
    assert figure(after, 'opusagent_turn_seconds_count{stage="ear"}') >= 1
    assert figure(after, 'opusagent_audio_seconds_total{account="model_heard"}') > 0.2
    assert 'opusagent_loop_longest_step_seconds{task="' in after


def named_in(text: str) -> set[str]:
    """The metrics that an expression, or many, names."""
    return set(re.findall(r"\b(?:opusagent|process)_[a-z0-9_]+", text))


async def test_every_metric_that_is_watched_is_there(tmp_path: Path) -> None:
    """The alert rules and the dashboard, against a daemon that has just been started and one busy moment."""
    alerts, dashboard = (MONITORING / name for name in ("alerts.yml", "dashboard.json"))
    rules = "\n".join(re.findall(r"^ +expr: (.*)$", alerts.read_text(), re.MULTILINE))
    panels = json.loads(dashboard.read_text())["panels"]
    shown = "\n".join(target["expr"] for panel in panels for target in panel["targets"])
    async with daemon(tmp_path, Settings(admin=with_port(tmp_path))) as running:
        _, page = await ask_port(running, "GET", "/metrics")
    there = set(re.findall(r"^([a-z0-9_]+)[{ ]", page, re.MULTILINE))
    assert (len(named_in(rules)) > 8, len(named_in(shown)) > 20) == (True, True)
    assert (named_in(rules) - there, named_in(shown) - there) == (set(), set())


async def test_the_admin_port_goes_to_the_process_that_takes_over(tmp_path: Path) -> None:
    settings = Settings(admin=with_port(tmp_path))
    async with daemon(tmp_path, settings) as running, call(running.port) as caller:
        await caller.hear(Ms(100))
        assert (await running.order("upgrade")).returncode == 0
        (_, new) = await running.says("ready", times=2)
        assert new["admin_port"] == port_of(running)
        status, body = await ask_port(running, "GET", "/status")
        assert (status, json.loads(body)["calls"]) == (200, 0)
        await caller.hang_up()
        assert await running.ended() == 0
        assert (await ask_port(running, "GET", "/readyz"))[0] == 200


async def test_tokens_change_with_a_reload_and_the_port_does_not(tmp_path: Path) -> None:
    settings = Settings(admin=with_port(tmp_path))
    async with daemon(tmp_path, settings) as running:
        (tmp_path / "tokens").write_text("another-token\n")
        status, body = await ask_port(running, "POST", "/reload")
        assert (status, json.loads(body)["changed"]) == (200, ["admin.tokens"])
        assert (await ask_port(running, "GET", "/readyz"))[0] == 401
        assert (await ask_port(running, "GET", "/readyz", "another-token"))[0] == 200
        Settings().write(tmp_path)
        status, body = await ask_port(running, "POST", "/reload", "another-token")
        assert status == 422
        assert "`listen` cannot change while the daemon runs" in body
        assert (await ask_port(running, "POST", "/drain?seconds=0", "another-token"))[0] == 202
        with trio.fail_after(PATIENCE):
            assert await running.ended() == 0
