"""What the environment sets: which key each variable stands for, and what is said of a value that makes no sense."""

import re
from pathlib import Path

import attrs
import pytest

from opusagent.daemon.config import Alerts, Audio, Config, Quality, Recording, Secret, Vad, parse
from opusagent.daemon.config_environ import VARIABLES
from opusagent.errors import ConfigError

PLATFORM = "[twilio]\ninsecure = true\n"
RECORDED = PLATFORM + "[recording]\n"

SENSE = {
    "DEFAULT_SAMPLE_RATE": "16000",
    "DEFAULT_CHANNELS": "1",
    "DEFAULT_BITS_PER_SAMPLE": "16",
    "DEFAULT_AUDIO_CHUNK_SIZE": "3200",
    "DEFAULT_AUDIO_CHUNK_SIZE_LARGE": "64000",
    "AUDIO_QUALITY_MONITORING": "false",
    "LATENCY_ALERT_THRESHOLD": "750",
    "CHUNK_SIZE_ALERT_THRESHOLD": "4096",
    "VAD_ENABLED": "off",
    "SPEECH_START_THRESHOLD": "3",
    "SPEECH_STOP_THRESHOLD": "7",
}


def config(text: str, environ: dict[str, str]) -> Config:
    return parse(text, environ, source="x.toml")


def problems(text: str, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        config(text, environ)
    return [problem.removeprefix("x.toml: ") for problem in refused.value.problems]


def test_every_variable_stands_for_its_key() -> None:
    assert {variable.name for variable in VARIABLES} == set(SENSE)
    assert config(RECORDED, SENSE) == attrs.evolve(
        config(RECORDED, {}),
        recording=Recording(rate=16000, channels=1),
        audio=Audio(3200, 64_000),
        quality=Quality(enabled=False),
        alerts=Alerts(750, 4096),
        vad=Vad(enabled=False, start_frames=3, stop_frames=7),
    )


def test_every_variable_stands_before_what_the_file_says() -> None:
    """The file's other keys stay as they are."""
    text = (
        RECORDED
        + 'rate = 8000\n[vad]\nenabled = true\ndetector = "energy"\nstop_frames = 9\n[alerts]\nlatency_ms = 1\n'
    )
    read = config(text, SENSE)
    assert (read.recording, read.vad, read.alerts) == (
        Recording(rate=16000, channels=1),
        Vad(enabled=False, detector="energy", start_frames=3, stop_frames=7),
        Alerts(750, 4096),
    )


def test_the_key_stands_before_the_file_that_holds_one() -> None:
    """A file that cannot be read is a mistake all the same."""
    text = PLATFORM + '[realtime]\napi_key_file = "/does/not/exist"\n'
    (problem,) = problems(text, {"OPENAI_API_KEY": "sk-test"})
    assert problem.startswith("`api_key_file` names /does/not/exist, which cannot be read")
    assert config(PLATFORM, {"OPENAI_API_KEY": "sk-test"}).realtime.api_key == Secret("sk-test")


def test_the_defaults_are_those_of_the_variables_that_are_not_there() -> None:
    read = config(RECORDED, {})
    assert (read.vad.start_frames, read.vad.stop_frames) == (2, 3)
    assert (read.alerts.latency_ms, read.alerts.chunk_bytes) == (500.0, 3000)
    assert (read.vad.enabled, read.quality.enabled) == (True, True)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("DEFAULT_SAMPLE_RATE", "44100", "`rate` must be 8000 or 16000 or 24000, not 44100"),
        ("DEFAULT_CHANNELS", "0", "`channels` must be 1 or 2, not 0"),
        ("DEFAULT_BITS_PER_SAMPLE", "48", "`bits` must be 16, not 48"),
        ("DEFAULT_AUDIO_CHUNK_SIZE", "10", "`chunk_bytes` must be from 640 to 32000, not 10"),
        ("DEFAULT_AUDIO_CHUNK_SIZE_LARGE", "big", '`chunk_bytes_large` must be a whole number, not "big"'),
        ("AUDIO_QUALITY_MONITORING", "maybe", '`enabled` must be true or false, not "maybe"'),
        ("LATENCY_ALERT_THRESHOLD", "-1", "`latency_ms` must be from 1 to 60000, not -1"),
        ("CHUNK_SIZE_ALERT_THRESHOLD", "1e9", '`chunk_bytes` must be a whole number, not "1e9"'),
        ("VAD_ENABLED", "2", '`enabled` must be true or false, not "2"'),
        ("SPEECH_START_THRESHOLD", "1.5", "`start_frames` must be a whole number, not 1.5"),
        ("SPEECH_STOP_THRESHOLD", "0", "`stop_frames` must be from 1 to 100, not 0"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_the_name_of_its_variable(
    name: str, value: str, complaint: str
) -> None:
    """Whether or not the file has the table, and never as if the file had said it."""
    place = next(f"{each.table}.{each.key}" for each in VARIABLES if each.name == name)
    expected = [f"{complaint}, at the environment's {name}, which stands for {place}"]
    assert problems(PLATFORM, {name: value}) == expected
    assert problems(RECORDED, {name: value}) == expected


def test_variables_about_recordings_do_not_make_the_daemon_record() -> None:
    assert config(PLATFORM, SENSE).recording is None


def test_an_empty_variable_says_nothing() -> None:
    assert config(RECORDED, dict.fromkeys(SENSE, " ")) == config(RECORDED, {})


def test_a_usual_piece_is_no_larger_than_the_largest() -> None:
    assert problems(PLATFORM + "[audio]\nchunk_bytes_large = 1000\n", {"DEFAULT_AUDIO_CHUNK_SIZE": "3200"}) == [
        (
            "`chunk_bytes` must be at most `chunk_bytes_large`, which is 1000, not 3200, "
            "at the environment's DEFAULT_AUDIO_CHUNK_SIZE, which stands for audio.chunk_bytes"
        )
    ]


def test_the_readme_says_which_variable_stands_for_which_key() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([a-z_.]+)`", readme, re.MULTILINE)
    assert dict(rows) == {
        "OPENAI_API_KEY": "realtime.api_key_file",
        **{variable.name: f"{variable.table}.{variable.key}" for variable in VARIABLES},
    }
