"""Reports read back: as they were written, and with a plain word about each that cannot be."""

import os
from pathlib import Path

import msgspec
import pytest

from opusagent.call.report import to_json
from opusagent.reports.shelf import LARGEST, Filed, Unreadable, find, read
from opusagent.testing.play import Stage, play
from opusagent.units import Ms, Pcm16
from tests.reports.filing import file, report

Document = dict[str, object]


def test_a_report_reads_as_it_was_written(tmp_path: Path) -> None:
    path = file(tmp_path, report())
    assert read(path) == Filed(path, report())


def test_the_report_of_a_whole_call_reads_as_it_was_written(tmp_path: Path) -> None:
    """Every kind of value that a call leaves comes back."""

    async def script(stage: Stage) -> None:
        model = await stage.answered()
        await model.say("item-1", Pcm16(bytes(96_000)), response_id="response-1", transcript="Hello.")
        await stage.caller.hear(Ms(500))
        await model.error("rate_limit", "too much")
        await model.send_text('{"type": "something.new"}')
        await model.speech_started()
        await stage.caller.hang_up()

    told = play(script)
    path = tmp_path / "report.json"
    path.write_bytes(to_json(told))
    assert read(path) == Filed(path, told)
    assert (told.model_errors, told.unknown_messages) == ({"rate_limit": 1}, {"model something.new": 1})


def test_a_report_of_an_earlier_version_has_the_defaults_of_what_it_does_not_say(tmp_path: Path) -> None:
    """And one of a later version may say more."""
    document = msgspec.json.decode(to_json(report()), type=Document)
    del document["words"], document["hearing"]
    document["mood"] = "good"
    path = tmp_path / "report.json"
    path.write_bytes(msgspec.json.encode(document))
    assert read(path) == Filed(path, report())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty: the process ended, or the disk was full, before it was written"),
        (b"\n \n", "it is empty: the process ended, or the disk was full, before it was written"),
        (to_json(report())[:200], "it is not JSON, or only the beginning of it: "),
        (b"RIFF\x00\x00", "it is not JSON, or only the beginning of it: "),
        (b'{"x":' * 100_000, "it is not JSON, or only the beginning of it: "),
        (b"[]", "it is no report of this version: Expected `object`, got `array`"),
        (b'{"passed": 3, "failed": 0}', "it is no report of this version: Object missing required field"),
        (
            to_json(report()).replace(b"caller hung up", b"line was cut"),
            "it is no report of this version: Invalid enum value 'line was cut' - at `$.end`",
        ),
        (to_json(report()).replace(b"9.5", b'"long"'), "it is no report of this version: Expected `float`, got `str`"),
        (b" " * (LARGEST + 1), "it is larger than any report: more than 16 MiB"),
    ],
)
def test_what_is_no_report_is_told_why(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    told = read(path)
    assert isinstance(told, Unreadable)
    assert told.why.startswith(why)


def test_a_file_that_is_none_or_is_not_there_is_told(tmp_path: Path) -> None:
    """A pipe is not waited for."""
    os.mkfifo(tmp_path / "report.json")
    assert read(tmp_path / "report.json") == Unreadable(tmp_path / "report.json", "there is no such file")
    assert read(tmp_path / "nothing") == Unreadable(tmp_path / "nothing", "there is no such file")


def test_reports_are_found_the_earliest_first_and_what_cannot_be_read_last(tmp_path: Path) -> None:
    late, early = report("aaa", minutes=5), report("bbb")
    paths = [file(tmp_path, each) for each in (late, early)]
    broken = tmp_path / "2030/01/02/ccc/report.json"
    broken.parent.mkdir()
    broken.write_bytes(b"{")
    found = find(None, tmp_path)
    assert found[:2] == [Filed(paths[1], early), Filed(paths[0], late)]
    assert [each.path for each in found[2:]] == [broken]


def test_a_call_is_found_by_its_folder_its_report_or_its_id(tmp_path: Path) -> None:
    path = file(tmp_path, report("abc123"))
    file(tmp_path, report("def456"))
    expected = [Filed(path, report("abc123"))]
    assert find("abc123", tmp_path) == expected
    assert find(str(path), Path("elsewhere")) == expected
    assert find(str(path.parent), Path("elsewhere")) == expected


@pytest.mark.parametrize("target", ["../*", "*", "a/b", "", "x" * 65])
def test_what_is_no_id_is_taken_for_a_name_and_matches_nothing(target: str, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    file(tmp_path, report())
    found = find(target, tmp_path / "inner")
    assert not any(isinstance(each, Filed) for each in found)


def test_an_id_that_nobody_has_finds_nothing(tmp_path: Path) -> None:
    assert list(find("abc123", tmp_path)) == []
    (missing,) = find(None, tmp_path / "none")
    assert missing == Unreadable(tmp_path / "none", "there is no such file")
