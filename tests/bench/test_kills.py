"""Calls that are killed, and players that say what they think of what is left."""

from functools import partial
from pathlib import Path

import pytest
import trio

from opusagent.audio.wav import header
from opusagent.bench.kills import (
    MOST_MISSING,
    CannotPlay,
    Kill,
    kill_calls,
    play_by_command,
    play_by_wave,
    players,
    table,
)
from opusagent.units import HZ_8K


@pytest.mark.parametrize("name", list(players()))
def test_every_player_that_is_here_counts_seconds_and_refuses_garbage(tmp_path: Path, name: str) -> None:
    """A recording whose header is behind its samples opens as far as the header says."""
    play = players()[name]
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    good.write_bytes(header(2, HZ_8K, 32_000) + bytes(40_000))
    bad.write_bytes(b"no sound at all" * 100)
    assert play(good) == 1.0
    with pytest.raises(CannotPlay):
        play(bad)


def test_a_file_without_its_header_opens_nowhere(tmp_path: Path) -> None:
    """As it would be if a recording had its name before it has a header."""
    path = tmp_path / "empty.wav"
    path.write_bytes(b"")
    with pytest.raises(CannotPlay, match="it ends too early"):
        play_by_wave(path)


def test_a_player_that_fails_without_a_word_is_told_by_its_status(tmp_path: Path) -> None:
    with pytest.raises(CannotPlay, match="status 1"):
        play_by_command(("false",), tmp_path)


def test_calls_that_are_killed_leave_recordings_that_open() -> None:
    """Three real processes, by every player that is here."""
    kills = trio.run(partial(kill_calls, 3, players(), longest=1.5))
    assert all(kill.missing <= MOST_MISSING for kill in kills)
    assert [kill.after for kill in kills] == sorted(kill.after for kill in kills)


def test_the_table_says_what_is_missing_and_what_did_not_open() -> None:
    kills = [Kill(2.0, {"wave": 1.25, "sox": 1.5}), Kill(3.0, {"wave": 2.5, "sox": "no"})]
    assert [kill.missing for kill in kills] == [0.75, float("inf")]
    assert table(kills, ["wave", "sox"]).splitlines()[2:] == [
        "| 2.000          |            0.75 |           0.50 |",
        "| 3.000          |            0.50 | NOT OPENED: no |",
    ]
