"""The configuration: what each key may be, what it is without one, and what a person is told who got it wrong."""

from pathlib import Path

import pytest

from opusagent.daemon.config import (
    Admin,
    Agent,
    Alerts,
    Audio,
    Config,
    Limits,
    Listen,
    Quality,
    Realtime,
    Recording,
    Secret,
    Server,
    Twilio,
    Vad,
    doubts,
    load,
    parse,
)
from opusagent.errors import ConfigError

PLATFORM = "[twilio]\ninsecure = true\n"
KEY = {"OPENAI_API_KEY": "sk-test"}
CREDENTIALS = "the environment's CREDENTIALS_DIRECTORY"


def problems(text: str, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    """What is wrong with `text`, without the name of the source before it."""
    with pytest.raises(ConfigError) as refused:
        parse(text, environ or {}, source="x.toml")
    assert all(problem.startswith("x.toml: ") for problem in refused.value.problems)
    return tuple(problem.removeprefix("x.toml: ") for problem in refused.value.problems)


def test_the_contract_in_full(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-file\n")
    text = f"""
        [server]
        listen = "127.0.0.1:8443"
        public_url = "https://voice.example.net/"
        max_calls = 7
        [realtime]
        url = "wss://realtime.example.net/v1/realtime"
        model = "some-model"
        api_key_file = "{tmp_path}/key"
        audio = "pcmu"
        [twilio]
        path = "/phones/twilio"
        insecure = true
        [agent]
        instructions = "Be kind."
        voice = "cedar"
        greeting = "Say hello."
        [recording]
        directory = "tapes"
        rate = 16000
        channels = 1
        [audio]
        chunk_bytes = 1280
        chunk_bytes_large = 6400
        [vad]
        enabled = false
        detector = "energy"
        threshold = 0.6
        start_frames = 4
        stop_frames = 5
        [quality]
        enabled = false
        min_snr_db = 15
        max_thd_percent = 2
        max_clipping_percent = 0.5
        min_quality_score = 50
        [alerts]
        latency_ms = 800
        chunk_bytes = 4000
        [limits]
        call_seconds = 60
    """
    assert parse(text, {}, source="x.toml") == Config(
        server=Server(Listen("127.0.0.1", 8443), "https://voice.example.net", 7),
        realtime=Realtime("wss://realtime.example.net/v1/realtime", "some-model", Secret("sk-from-file"), "pcmu"),
        twilio=Twilio("/phones/twilio", insecure=True),
        agent=Agent("Be kind.", "cedar", "Say hello."),
        recording=Recording(Path("tapes"), rate=16000, channels=1),
        limits=Limits(60),
        audio=Audio(1280, 6400),
        vad=Vad(enabled=False, detector="energy", threshold=0.6, start_frames=4, stop_frames=5),
        quality=Quality(
            enabled=False, min_snr_db=15, max_thd_percent=2, max_clipping_percent=0.5, min_quality_score=50
        ),
        alerts=Alerts(800, 4000),
    )


def test_a_platform_is_all_that_must_be_said() -> None:
    assert parse(PLATFORM, {}, source="x.toml") == Config(twilio=Twilio(insecure=True))
    assert Config().server.listen.address == "127.0.0.1:8080"


def test_without_key_and_url_the_backend_is_the_embedded_one() -> None:
    assert parse(PLATFORM, {}, source="x.toml").realtime.is_embedded


def test_with_a_key_the_backend_is_openai() -> None:
    realtime = parse(PLATFORM, KEY, source="x.toml").realtime
    assert realtime == Realtime("wss://api.openai.com/v1/realtime", api_key=Secret("sk-test"))


def test_the_embedded_backend_can_be_asked_for_although_there_is_a_key() -> None:
    assert parse(f'{PLATFORM}[realtime]\nurl = "local"', KEY, source="x.toml").realtime.is_embedded


def test_a_backend_on_this_machine_needs_no_key() -> None:
    realtime = parse(f'{PLATFORM}[realtime]\nurl = "ws://[::1]:9/v1"', {}, source="x.toml").realtime
    assert realtime == Realtime("ws://[::1]:9/v1")


def test_a_backend_elsewhere_needs_one() -> None:
    assert problems(f'{PLATFORM}[realtime]\nurl = "wss://a.example/v1"') == (
        (
            "`url` is on another machine and there is no key for it: set `api_key_file` under [realtime], "
            "or OPENAI_API_KEY in the environment, at realtime.url"
        ),
    )


def test_an_empty_key_in_the_environment_is_none() -> None:
    assert parse(PLATFORM, {"OPENAI_API_KEY": " \n"}, source="x.toml").realtime.is_embedded


def test_everything_wrong_is_said_at_once_each_with_its_place() -> None:
    """Faults of form, of value and of the whole come together; a wrong value gives rise to no further complaint."""
    text = """
        agnt = 1
        [server]
        listn = ":80"
        listen = "0.0.0.0:8080"
        max_calls = "80"
        [realtime]
        api_key_file = "/does/not/exist"
        url = "wss://a.example"
        audio = "opus"
        voice = "marin"
        [twilio]
        path = "media"
        insecure = true
        [limits]
        call_seconds = 0
        [recrding]
    """
    assert problems(text) == (
        "unknown key `agnt`, did you mean `agent`? at the top level",
        "unknown table `recrding`, did you mean `recording`? at the top level",
        '`max_calls` must be a whole number, not "80", at server.max_calls',
        "unknown key `listn`, did you mean `listen`? at server",
        (
            "`api_key_file` names /does/not/exist, which cannot be read: No such file or directory, "
            "at realtime.api_key_file"
        ),
        '`audio` must be "pcm" or "pcmu", not "opus", at realtime.audio',
        "unknown key `voice` at realtime: it belongs under [agent]",
        '`path` must be a plain path like "/twilio/media", not "media", at twilio.path',
        "`call_seconds` must be from 1 to 86400, not 0, at limits.call_seconds",
        (
            "`listen` must be a loopback address such as 127.0.0.1 while `insecure = true` under [twilio] lets "
            "anybody call without authentication, not 0.0.0.0, unless `insecure_public = true` stands there as "
            "well, at server.listen"
        ),
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "voice.example.net"])
def test_insecure_listens_on_loopback_only(host: str) -> None:
    (problem,) = problems(f'{PLATFORM}[server]\nlisten = "{host}:8080"')
    assert problem.startswith("`listen` must be a loopback address")


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:65535", "[::1]:8080", "127.1.2.3:1"])
def test_loopback_has_several_names(listen: str) -> None:
    assert parse(f'{PLATFORM}[server]\nlisten = "{listen}"', {}, source="x.toml").server.listen.address == listen


@pytest.mark.parametrize("listen", ["8080", ":8080", "localhost", "::1:8080", "a b:1", "[x]:1", "127.0.0.1:8080 "])
def test_what_is_no_address_to_listen_on(listen: str) -> None:
    (problem,) = problems(f'{PLATFORM}[server]\nlisten = "{listen}"')
    assert problem.startswith("`listen` must")
    assert problem.endswith(f'not "{listen}", at server.listen')


@pytest.mark.parametrize("port", ["65536", "-1", "", "\uff18\uff10", "1e3", "000080"])
def test_what_is_no_port(port: str) -> None:
    assert problems(f'{PLATFORM}[server]\nlisten = "127.0.0.1:{port}"') == (
        f'`listen` must end in a port from 0 to 65535, not "127.0.0.1:{port}", at server.listen',
    )


@pytest.mark.parametrize(
    "url",
    [
        "voice.example.net",
        "wss://a.example",
        "https://",
        "https://u:p@a.example",
        "https://a b",
        "https://[::1",
        "http://:1",
    ],
)
def test_what_is_no_public_url(url: str) -> None:
    (problem,) = problems(f'{PLATFORM}[server]\npublic_url = "{url}"')
    assert problem.startswith('`public_url` must be an address like "https://voice.example.net", not ')


def test_a_public_url_has_no_query_and_no_port_beyond_the_last() -> None:
    (query,) = problems(f'{PLATFORM}[server]\npublic_url = "https://a.example/?a=b"')
    (port,) = problems(f'{PLATFORM}[server]\npublic_url = "https://a.example:99999"')
    assert query == '`public_url` must have no query, unlike "https://a.example/?a=b", at server.public_url'
    assert port.startswith('`public_url` must be an address like "https://voice.example.net", not ')


@pytest.mark.parametrize(
    "url", ["https://a.example/v1", "Local", "wss://a.example/#x", "ws:///v1", "wss://a.ex\\u0000ample"]
)
def test_what_is_no_backend(url: str) -> None:
    (problem,) = problems(f'{PLATFORM}[realtime]\nurl = "{url}"', KEY)
    assert problem.startswith('`url` must be an address like "wss://api.openai.com/v1/realtime", or "local"')


@pytest.mark.parametrize("path", ["/healthz", "/twilio/voice"])
def test_the_media_path_is_not_one_that_the_daemon_answers(path: str) -> None:
    assert problems(f'[twilio]\ninsecure = true\npath = "{path}"') == (
        f'`path` must not be "{path}", which the daemon answers itself, at twilio.path',
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("max_calls = 1.0", "must be a whole number, not 1.0"),
        ("max_calls = true", "must be a whole number, not true"),
        ("max_calls = 0", "must be from 1 to 100000, not 0"),
        (f"max_calls = 0x{'f' * 4000}", "must be from 1 to 100000, not a number of many digits"),
        ("max_calls = [1]", "must be a whole number, not an array"),
        ("max_calls = {a = 1}", "must be a whole number, not a table"),
        ("max_calls = 2026-01-01", "must be a whole number, not a date or a time"),
    ],
)
def test_nothing_is_taken_for_a_whole_number_that_is_none(line: str, complaint: str) -> None:
    assert problems(f"{PLATFORM}[server]\n{line}") == (f"`max_calls` {complaint}, at server.max_calls",)


def test_nothing_is_taken_for_true_text_or_a_number_that_is_none() -> None:
    text = '[twilio]\ninsecure = 1\npath = 5\n[limits]\ncall_seconds = "60"\n[recording]\ndirectory = ""\n'
    assert problems(text) == (
        "`path` must be text in quotes, not 5, at twilio.path",
        "`insecure` must be true or false, not 1, at twilio.insecure",
        '`directory` must be the name of a file or directory, not "", at recording.directory',
        '`call_seconds` must be a number, not "60", at limits.call_seconds',
    )


def test_call_seconds_may_be_a_fraction_but_not_nan() -> None:
    assert parse(f"{PLATFORM}[limits]\ncall_seconds = 1.5", {}, source="x").limits == Limits(1.5)
    assert problems(f"{PLATFORM}[limits]\ncall_seconds = nan") == (
        "`call_seconds` must be from 1 to 86400, not nan, at limits.call_seconds",
    )


def test_an_agent_says_something_or_nothing_at_all() -> None:
    assert problems(f'{PLATFORM}[agent]\ngreeting = " "') == ("`greeting` must not be empty, at agent.greeting",)


def test_what_is_not_a_table_is_said_so() -> None:
    assert problems("server = 3\n[[twilio]]\ninsecure = true") == (
        "`server` must be a table, not 3, at the top level",
        "`twilio` must be a table, not an array, at the top level",
    )


def test_a_key_without_its_table_is_told_where_it_belongs() -> None:
    assert problems(f'listen = "127.0.0.1:1"\n{PLATFORM}') == (
        "unknown key `listen` at the top level: it belongs under [server] or [admin]",
    )


def test_a_key_like_nothing_known_is_told_what_there_is() -> None:
    assert problems(f'{PLATFORM}"a\\nb" = 1') == (
        (
            r"unknown key `a\nb` (known are: `path`, `auth_tokens_file`, `shared_keys_file`, `ticket`, `insecure`, "
            "`insecure_public`) at twilio"
        ),
    )


def test_an_empty_file_is_told_what_it_needs() -> None:
    (problem,) = problems("# nothing yet\n")
    assert problem.startswith("the configuration is empty: no telephony platform is configured")
    assert problem.endswith('[twilio]\n    path = "/twilio/media"\n    insecure = true')


def test_a_configuration_without_a_platform_is_refused() -> None:
    (problem,) = problems("[server]")
    assert problem.startswith("no telephony platform is configured, so that nobody could call; for example:")


def test_what_is_not_toml_is_said_with_line_and_column() -> None:
    (problem,) = problems("[server]\nlisten = = 3")
    assert problem == "this is not TOML: Invalid value (at line 2, column 10)"


@pytest.mark.parametrize("text", ["a = " + "[" * 10_000, "a = " + "9" * 5_000])
def test_toml_that_breaks_its_reader_is_a_wrong_configuration(text: str) -> None:
    assert len(problems(text)) == 1


def test_a_key_in_place_of_its_file_is_refused_and_not_shown() -> None:
    text = f'{PLATFORM}[realtime]\napi_key_file = "sk-proj-very-secret"\n'
    assert problems(text) == (
        "`api_key_file` must name a file that holds the key, not be the key, at realtime.api_key_file",
    )


def test_a_key_is_one_line_of_plain_ascii(tmp_path: Path) -> None:
    file = tmp_path / "key"
    text = f'{PLATFORM}[realtime]\napi_key_file = "{file}"\n'
    complaints = {b"": "is empty", b" \n": "is empty", b"a b": "holds", b"sk\n-1": "holds", b"sk-\xff": "holds"}
    for content, complaint in complaints.items():
        file.write_bytes(content)
        (problem,) = problems(text)
        assert problem.startswith(f"`api_key_file` names {file}, which {complaint}")
    file.unlink()
    file.mkdir()
    assert problems(text) == (
        f"`api_key_file` names {file}, which cannot be read: Is a directory, at realtime.api_key_file",
    )


def test_a_key_of_the_environment_that_no_header_can_carry_is_refused() -> None:
    assert problems(PLATFORM, {"OPENAI_API_KEY": "sk-a\nb"}) == (
        "the key must be plain ASCII without spaces, at the environment's OPENAI_API_KEY",
    )


def test_no_text_of_a_configuration_shows_its_key() -> None:
    config = parse(PLATFORM, KEY, source="x.toml")
    assert "sk-test" not in f"{config} {config!r} {config.realtime.api_key}"
    assert config.realtime.api_key is not None
    assert config.realtime.api_key.reveal() == "sk-test"


def test_load_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "opusagent.toml"
    file.write_text(f'{PLATFORM}[agent]\ngreeting = "Grüß Gott"\n', encoding="utf-8")
    assert load(file, {}) == Config(twilio=Twilio(insecure=True), agent=Agent(greeting="Grüß Gott"))


def test_load_says_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"# caf\xe9\n")
    complaints = {
        tmp_path / "none.toml": "there is no such file",
        tmp_path: "the file cannot be read: Is a directory",
        tmp_path / "latin": "this is not TOML: byte 5 is not UTF-8",
        tmp_path / "a\0b": "the file cannot be read: ",
    }
    for path, complaint in complaints.items():
        with pytest.raises(ConfigError) as refused:
            load(path, {})
        (problem,) = refused.value.problems
        assert problem.startswith(f"{path}: {complaint}")


def test_a_target_that_does_not_exist_is_told_beside_other_mistakes() -> None:
    """But not beside mistakes in the tools: the target may be among those."""
    text = PLATFORM + '[agent]\nvoice = 5\n[agent.keys]\n0 = { transfer = "doctor" }\n'
    nobody = '`0` transfers to "doctor"; targets are none: there is no tool `transfer_call`, at agent.keys'
    assert problems(text.replace("voice = 5\n", "") + "[limits]\ncall_seconds = 0\n")[1:] == (nobody,)
    assert nobody not in problems(text + '[[tools]]\nbuilt_in = "transfer_cal"\n')


def test_two_platforms_are_not_said_to_share_a_path_that_is_itself_wrong() -> None:
    """What stands in its place meanwhile is nobody's."""
    text = '[twilio]\ninsecure = true\npath = "audio"\n[audiocodes]\ninsecure = true\npath = "/twilio/media"\n'
    assert problems(text) == ('`path` must be a plain path like "/twilio/media", not "audio", at twilio.path',)


def test_a_daemon_without_a_model_is_allowed_and_doubted() -> None:
    """Who forgot the key has a parrot at the front desk."""
    (doubt,) = doubts(parse(PLATFORM, {}, source="x.toml"))
    assert "callers will talk to the parrot" in doubt
    assert "OPENAI_API_KEY" in doubt
    assert doubts(parse(PLATFORM, KEY, source="x.toml")) == []


@pytest.mark.parametrize(
    ("url", "platform", "doubted"),
    [
        ("http://voice.example.net", PLATFORM, True),
        ("https://voice.example.net", PLATFORM, False),
        ("http://127.0.0.1:8080", PLATFORM, False),
        ("http://[::1]:8080", PLATFORM, False),
        ("http://voice.example.net", "[audiocodes]\ninsecure = true\n", False),
    ],
)
def test_a_public_address_that_twilio_does_not_stream_to_is_doubted(url: str, platform: str, *, doubted: bool) -> None:
    """It is dialled all the same for the webhook, and the call ends before a word."""
    told = doubts(parse(f'[server]\npublic_url = "{url}"\n{platform}', KEY, source="x.toml"))
    assert ["31922" in each and each.endswith("at server.public_url") for each in told] == [True] * doubted


def test_certificate_and_key_come_together() -> None:
    assert problems(PLATFORM + '[server]\ncertificate = "c.pem"\n') == (
        "`certificate` is no file that can be read: c.pem, at server.certificate",
        "`certificate_key` is missing: a certificate and its key are set together, at server.certificate_key",
    )
    assert problems(PLATFORM + '[server]\ncertificate_key = "k.pem"\n') == (
        "`certificate_key` is no file that can be read: k.pem, at server.certificate_key",
        "`certificate` is missing: a certificate and its key are set together, at server.certificate",
    )


def test_a_service_manager_hands_over_secrets_as_credentials(tmp_path: Path) -> None:
    """A credential stands behind the environment's key and what the file names."""
    (tmp_path / "openai_api_key").write_text("sk-credential\n")
    (tmp_path / "audiocodes_tokens").write_text("token-one\ntoken-two\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert parse("[audiocodes]\n", {**environ, **KEY}, source="x.toml").realtime.api_key == Secret("sk-test")
    config = parse("[audiocodes]\n", environ, source="x.toml")
    assert config.realtime.api_key == Secret("sk-credential")
    assert config.audiocodes is not None
    assert config.audiocodes.tokens == (Secret("token-one"), Secret("token-two"))
    own = parse('[audiocodes]\ntokens = ["token-three"]\n', environ, source="x.toml")
    assert own.audiocodes is not None
    assert own.audiocodes.tokens == (Secret("token-three"),)


def test_a_credential_that_cannot_be_used_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "openai_api_key").write_text("")
    assert problems(PLATFORM, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == (
        f"the credential `openai_api_key` names {tmp_path}/openai_api_key, which is empty, at {CREDENTIALS}",
    )


def test_the_control_socket_is_in_the_runtime_directory_unless_the_file_says_where() -> None:
    environ = {"RUNTIME_DIRECTORY": "/run/opusagent:/run/other"}
    assert parse(PLATFORM, {}, source="x.toml").admin == Admin()
    assert parse(PLATFORM, environ, source="x.toml").admin == Admin(Path("/run/opusagent/control.sock"))
    assert parse(PLATFORM + '[admin]\nsocket = "here.sock"\n', environ, source="x.toml").admin == Admin(
        Path("here.sock")
    )


def test_a_secret_without_its_brackets_is_refused_and_not_told() -> None:
    """The message stands in the journal."""
    told = problems('[audiocodes]\ntokens = "the-token-itself"\n')
    assert told == ("`tokens` must be an array: put its values in square brackets, at audiocodes.tokens",)
