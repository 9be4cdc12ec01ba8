"""`opusagent report` as people use it: what it prints, what it complains of, and how it ends."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from PIL import Image

from opusagent.call.report import CallReport, page
from opusagent.call.turns import Turn
from opusagent.cli import main
from opusagent.reports.latency import Latencies
from tests.reports.filing import TURN, file, report

TRANSCRIPT = b"""\
{"kind":"caller","item_id":"c1","began":1.5,"ended":2.0,"media_start":1500,"media_end":2000,"words":"Hello?"}
{"kind":"model","item_id":"m1","began":2.3,"ended":4.0,"words":"Good day.","unheard":"How\\nare you?"}
{"kind":"keys","began":5.0,"ended":6.0,"digits":"**"}
{"kind":"unrecorded","began":6.5,"ended":6.75}
{"kind":"tool","item_id":"t","at":7.0,"call_id":"x","name":"book","arguments":"{}","output":null}
{"kind":"tool","item_id":"u","at":7.5,"call_id":"x","name":"","arguments":null,"output":"done"}
{"kind":"caller","item_id":"c2","began":null,"ended":null,"media_start":null,"media_end":null,"words":null}
"""


def run(capsys: pytest.CaptureFixture[str], *argv: str, environ: dict[str, str] | None = None) -> tuple[int, str, str]:
    status = main(["report", *argv], environ or {})
    said = capsys.readouterr()
    return status, said.out, said.err


def test_one_call_is_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file(tmp_path, report())
    assert run(capsys, "abc123", "--directory", str(tmp_path)) == (0, page(report()), "")


def test_a_page_ends_with_the_words_that_were_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file(tmp_path, report())
    path.with_name("transcript.jsonl").write_bytes(TRANSCRIPT + b'{"kind"')
    _, out, _ = run(capsys, str(path))
    assert out.removeprefix(page(report())) == (
        "  transcript:\n"
        "        1.50 s  caller: Hello?\n"
        "        2.30 s  model: Good day. [not heard: How are you?]\n"
        "        5.00 s  caller pressed **\n"
        "        6.50 s  not recorded to 6.75 s\n"
        "        7.00 s  tool called: book {}\n"
        "        7.50 s  tool answered: done\n"
        "                caller: (not written down)\n"
        "    1 line of transcript.jsonl cannot be read\n"
    )


def test_a_directory_with_one_call_is_a_table_and_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The directory of the call itself is the call."""
    path = file(tmp_path, report())
    assert run(capsys, str(path.parent)) == (0, page(report()), "")
    for words in ((str(tmp_path),), ("--directory", str(tmp_path))):
        status, out, err = run(capsys, *words)
        table, _, rest = out.partition("\n\n")
        assert (status, err, rest) == (0, "", page(report()))
        assert table.splitlines()[1:] == [
            "2030-01-02 03:04:05  abc123  +15550100  10      1      0     322     322  caller hung up",
            "calls: 1, minutes: 0.2",
        ]


def test_nothing_that_a_report_holds_moves_a_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file(tmp_path, report("abc\x1b[2J"))
    for words in ((str(path),), (str(tmp_path),), ("--latency", str(tmp_path)), ("x\x1b[2J",)):
        said = "".join(run(capsys, *words, environ={"LATENCY_ALERT_THRESHOLD": "1"})[1:])
        assert said
        assert said.replace("\n", "").isprintable()


def test_many_calls_are_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file(tmp_path, report("def456", Turn(stopped=3.0), minutes=1, caller="anonymous\x1b[2J"))
    file(tmp_path, report("abc123"))
    status, out, err = run(capsys, str(tmp_path))
    assert (status, err) == (0, "")
    assert out == (
        "started              call    from            s  turns  barge  p50 ms  max ms  ended\n"
        "2030-01-02 03:04:05  abc123  +15550100      10      1      0     322     322  caller hung up\n"
        "2030-01-02 03:05:05  def456  anonymous [2J  10      1      0       -       -  caller hung up\n"
        "calls: 2, minutes: 0.3\n"
    )


def test_what_cannot_be_read_is_complained_of_and_the_others_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file(tmp_path, report())
    broken = file(tmp_path, report("def456"))
    broken.write_bytes(b"")
    status, out, err = run(capsys, "--directory", str(tmp_path))
    assert (status, out.splitlines()[2]) == (1, "calls: 1, minutes: 0.2")
    assert err == (
        f"opusagent: {broken}: it is empty: the process ended, or the disk was full, before it was written\n"
    )


def test_where_there_is_nothing_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaves = "a call that was recorded leaves a report.json, and --directory says where"
    expected = (1, "", f"opusagent: {tmp_path}: no reports below it; {leaves}\n")
    assert run(capsys, str(tmp_path)) == expected
    nobody = f"opusagent: abc123: no report of such a call below {tmp_path}; {leaves}\n"
    assert run(capsys, "abc123", "--directory", str(tmp_path)) == (1, "", nobody)
    missing = tmp_path / "none"
    assert run(capsys, "--directory", str(missing)) == (1, "", f"opusagent: {missing}: there is no such file\n")


def test_a_recording_without_a_report_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As after `kill -9`: the recording is whole, and nobody wrote the report."""
    tape = tmp_path / "2030/01/02/abc123/call.wav"
    tape.parent.mkdir(parents=True)
    tape.touch()
    why = f"{tape} is a recording without a report: the call goes on, or the daemon was killed in it"
    for words in (("abc123", "--directory", str(tmp_path)), (str(tape.parent),), ("--directory", str(tmp_path))):
        status, out, err = run(capsys, *words)
        assert (status, out) == (1, "")
        assert err.endswith(f"; {why}\n")


def test_reports_as_json_are_the_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One is an object, many are an array."""
    path = file(tmp_path, report())
    _, one, _ = run(capsys, str(path), "--json")
    file(tmp_path, report("def456", minutes=1))
    _, two, _ = run(capsys, str(tmp_path), "--json")
    assert msgspec.json.decode(one, type=CallReport) == report()
    assert msgspec.json.decode(two, type=list[CallReport]) == [report(), report("def456", minutes=1)]


def test_latencies_are_of_all_calls_that_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file(tmp_path, report())
    file(tmp_path, report("def456"))
    status, out, err = run(capsys, "--latency", str(tmp_path))
    assert (status, err) == (0, "")
    assert out.startswith("turns: 2, calls: 2 (0 greetings, 0 without an answer); milliseconds\n")
    assert "caller stopped -> first heard           2    322.0    322.0    322.0    322.0\n" in out
    assert out.endswith("0 turns over 500 ms from mouth to ear\n")


def test_the_environment_says_what_is_slow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file(tmp_path, report())
    environ = {"LATENCY_ALERT_THRESHOLD": "300"}
    _, out, _ = run(capsys, "--latency", str(tmp_path), environ=environ)
    assert out.endswith(
        "1 turn over 300 ms from mouth to ear:\n  call abc123, 2.00 s: 322 ms (model 300, bridge 2, platform 20)\n"
    )
    _, told, _ = run(capsys, "--latency", str(tmp_path), "--json", environ=environ)
    figures = msgspec.json.decode(told, type=Latencies)
    assert (figures.threshold_ms, len(figures.slow), figures.stages[3].p99) == (300.0, 1, 322.0)


def test_a_threshold_that_makes_no_sense_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, str(tmp_path), environ={"LATENCY_ALERT_THRESHOLD": "soon"})
    assert (status, out) == (2, "")
    assert "the environment's LATENCY_ALERT_THRESHOLD, which stands for alerts.latency_ms" in err


def test_a_plot_is_drawn_beside_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It implies them."""
    file(tmp_path, report("abc123", TURN))
    picture = tmp_path / "latency.svg"
    status, out, _ = run(capsys, str(tmp_path), "--plot", str(picture))
    assert (status, out.startswith("turns: 1")) == (0, True)
    assert ET.fromstring(picture.read_text()).tag.endswith("svg")  # noqa: S314 - it is our own text


def test_a_plot_in_another_format_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, str(tmp_path), "--latency", "--plot", "out.pdf")
    assert (status, out) == (2, "")
    assert err.startswith("opusagent: out.pdf: plots are written as SVG or PNG")


def test_a_plot_is_drawn_as_png_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file(tmp_path, report("abc123", TURN))
    picture = tmp_path / "latency.PNG"
    status, out, err = run(capsys, str(tmp_path), "--latency", "--plot", str(picture))
    assert (status, out.startswith("turns: 1"), err) == (0, True, "")
    with Image.open(picture) as opened:
        assert (opened.format, opened.size) == ("PNG", (1600, 880))


def test_png_without_its_package_is_told_with_what_to_do(tmp_path: Path) -> None:
    """In a program in which Pillow cannot be imported; SVG needs nothing."""
    file(tmp_path, report("abc123", TURN))
    words = ["report", str(tmp_path), "--latency", "--plot"]
    program = "import sys; sys.modules['PIL'] = None; from opusagent.__main__ import run; sys.exit(run())"
    said = [
        subprocess.run(  # noqa: S603 (our own words)
            [sys.executable, "-c", program, *words, name], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        for name in ("out.png", "out.svg")
    ]
    assert [done.returncode for done in said] == [2, 0]
    assert 'pip install "opusagent[plot]"' in said[0].stderr
    assert not (tmp_path / "out.png").exists()


def test_a_plot_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file(tmp_path, report())
    status, _, err = run(capsys, str(tmp_path), "--plot", str(tmp_path / "no/such/out.svg"))
    assert (status, err) == (
        1,
        f"opusagent: {tmp_path}/no/such/out.svg: the plot cannot be written: No such file or directory\n",
    )
