"""`[tracing]`: where spans are told, and what a person is told who got it wrong."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from opusagent.daemon.config import parse
from opusagent.daemon.config_tracing import EXTRAS, Header, Tracing
from opusagent.daemon.origins import as_toml
from opusagent.errors import ConfigError
from opusagent.secret import Secret

PLATFORM = "[twilio]\ninsecure = true\n"
ENDPOINT = 'endpoint = "http://127.0.0.1:4318/v1/traces"\n'


def tracing(text: str) -> Tracing | None:
    return parse(f"{PLATFORM}[tracing]\n{text}", {}, source="x.toml").tracing


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        tracing(text)
    return tuple(problem.removeprefix("x.toml: ") for problem in refused.value.problems)


@pytest.fixture
def headers(tmp_path: Path) -> Path:
    file = tmp_path / "headers"
    file.write_text("# of the collector\nX-Api-Key: hunter2\nauthorization: Basic dXNlcjpwYXNz\n\n")
    return file


def test_traces_go_where_the_file_says_with_the_headers_of_another_file(headers: Path) -> None:
    assert tracing(ENDPOINT) == Tracing(endpoint="http://127.0.0.1:4318/v1/traces")
    told = tracing(f'endpoint = "https://otlp.example.net/v1/traces"\nheaders_file = "{headers}"\nservice = "desk"')
    keys = (Header("x-api-key", Secret("hunter2")), Header("authorization", Secret("Basic dXNlcjpwYXNz")))
    assert told == Tracing(endpoint="https://otlp.example.net/v1/traces", headers=keys, service="desk")
    assert "hunter2" not in repr(told) + as_toml(keys)


def test_without_the_table_nobody_is_told() -> None:
    assert parse(PLATFORM, {}, source="x.toml").tracing is None


def test_everything_wrong_is_said_at_once(headers: Path) -> None:
    assert problems("") == ("`endpoint` is missing, at tracing.endpoint",)
    assert problems(f'endpoint = "grpc://x"\nheaders_file = "{headers.parent}/none"\nca_file = "{headers}.pem"') == (
        '`endpoint` must be an address like "http://127.0.0.1:4318/v1/traces", not "grpc://x", at tracing.endpoint',
        (
            f"`headers_file` names {headers.parent}/none, which cannot be read: No such file or directory, "
            "at tracing.headers_file"
        ),
        f"`ca_file` is no file that can be read: {headers}.pem, at tracing.ca_file",
    )
    assert problems('endpoint = "http://127.0.0.1:4318"') == (
        (
            "`endpoint` must name the path as well, most often /v1/traces, unlike "
            '"http://127.0.0.1:4318", at tracing.endpoint'
        ),
    )
    (problem,) = problems('endpoint = "https://otlp.example.net/v1/traces?api-key=hunter2"')
    assert problem == (
        "`endpoint` must not have a query: what a collector knows us by goes into `headers_file`, at tracing.endpoint"
    )
    assert problems(f'endpoint = "http://otlp.example.net/v1/traces"\nheaders_file = "{headers}"') == (
        (
            "`endpoint` must be https for another machine as long as there is a `headers_file`: keys would travel "
            "in the clear, at tracing.endpoint"
        ),
    )


@pytest.mark.parametrize("text", ["hunter2\n", "x-key:\n", "x key: hunter2\n", "x-key: hun\x07ter2\n", "x-key: \xe9\n"])
def test_a_line_that_is_no_header_is_refused_and_not_shown(headers: Path, text: str) -> None:
    headers.write_text(text)
    (problem,) = problems(f'{ENDPOINT}headers_file = "{headers}"')
    assert problem == f"`headers_file` names {headers}, where a line is not `name: value`, at tracing.headers_file"


def test_without_the_extra_the_table_is_refused_by_the_name_of_the_extra(tmp_path: Path) -> None:
    """In a process of its own, in which the packages cannot be found."""
    assert all(map(importlib.util.find_spec, EXTRAS))
    (tmp_path / "opusagent.toml").write_text(f"{PLATFORM}[tracing]\n{ENDPOINT}")
    code = (
        "import sys; from importlib.abc import MetaPathFinder\n"
        "class Missing(MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('opentelemetry'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from opusagent.__main__ import run; sys.exit(run())\n"
    )
    command = [sys.executable, "-c", code, "check", str(tmp_path / "opusagent.toml")]
    checked = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own program
    assert checked.returncode == 2
    assert b'needs the packages of OpenTelemetry: install them with `pip install "opusagent[otel]"`' in checked.stderr
