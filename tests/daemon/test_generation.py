"""A configuration made ready: what is tried before it is in force, and what may not follow what."""

import ssl
import stat
import subprocess
from pathlib import Path

import attrs
import pytest
import trio

from opusagent.daemon.config import Admin, Agent, Config, Listen, Realtime, Recording, Secret, Server, Twilio
from opusagent.daemon.generation import changes, fixed_problems, try_out, with_model
from opusagent.errors import ConfigError
from tests.daemon.generations import MODEL, generation

CONFIG = Config(twilio=Twilio(insecure=True))


def certificate(directory: Path, *options: str) -> Server:
    """A fresh certificate for localhost with its key, by openssl."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj"]
    target = ["/CN=localhost", "-days", "2", "-keyout", str(key), "-out", str(cert), *(options or ("-nodes",))]
    subprocess.run([*made, *target], check=True, capture_output=True)  # noqa: S603 - nothing of it comes from outside
    return Server(certificate=cert, certificate_key=key)


async def problems(config: Config) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        await generation(1, config)
    return refused.value.problems


async def test_a_plain_configuration_has_no_tls_at_all() -> None:
    ready = await generation(7, CONFIG)
    assert (ready.number, ready.config, ready.model_url) == (7, CONFIG, f"{MODEL}?model=gpt-realtime-2.1")
    assert (ready.trust, ready.identity, ready.recorder.directory) == (None, None, None)


async def test_a_model_elsewhere_is_held_against_the_machine_s_certificates() -> None:
    realtime = Realtime(url="wss://realtime.example.net/v1", api_key=Secret("sk-x"))
    ready = await generation(1, attrs.evolve(CONFIG, realtime=realtime))
    assert ready.trust is not None
    assert (ready.trust.verify_mode, ready.trust.check_hostname) == (ssl.CERT_REQUIRED, True)


async def test_the_port_s_identity_is_tls_1_2_or_newer(tmp_path: Path) -> None:
    ready = await generation(1, attrs.evolve(CONFIG, server=certificate(tmp_path)))
    assert ready.identity is not None
    assert ready.identity.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_certificate_that_cannot_be_used_is_told_with_its_names(tmp_path: Path) -> None:
    server = certificate(tmp_path)
    names = f"{tmp_path}/cert.pem and {tmp_path}/key.pem"
    (tmp_path / "key.pem").write_text("nonsense")
    (wrong,) = await problems(attrs.evolve(CONFIG, server=server))
    assert wrong.startswith(f"`certificate` cannot be used: {names}: ")
    assert wrong.endswith(", at server.certificate")
    (tmp_path / "key.pem").unlink()
    (missing,) = await problems(attrs.evolve(CONFIG, server=server))
    assert "No such file or directory" in missing


async def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    server = certificate(tmp_path, "-passout", "pass:secret-word")
    with trio.fail_after(20):
        (wrong,) = await problems(attrs.evolve(CONFIG, server=server))
    assert "the key is protected by a password" in wrong


async def test_recordings_are_tried_before_they_are_promised(tmp_path: Path) -> None:
    """The directory is made, for us alone, and nothing is left in it."""
    directory = tmp_path / "a/b"
    ready = await generation(1, attrs.evolve(CONFIG, recording=Recording(directory)))
    assert ready.recorder.directory == directory
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert list(directory.iterdir()) == []
    (tmp_path / "file").write_text("")
    (wrong,) = await problems(attrs.evolve(CONFIG, recording=Recording(tmp_path / "file")))
    assert wrong.startswith(f"`directory` cannot be written to: {tmp_path}/file: ")


def test_trying_out_makes_nothing_and_tells_what_making_would_tell(tmp_path: Path) -> None:
    """`check` may be run by somebody else than the daemon: a directory of theirs would not be ours."""
    try_out(attrs.evolve(CONFIG, recording=Recording(tmp_path / "a/b")))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file/below", Path("/proc/recordings")):
        with pytest.raises(ConfigError, match=f"`directory` cannot be written to: {wrong}: "):
            try_out(attrs.evolve(CONFIG, recording=Recording(wrong)))


async def test_everything_that_trying_tells_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server = Server(certificate=tmp_path / "none.pem", certificate_key=tmp_path / "none.key")
    recording = Recording(tmp_path / "file")
    assert len(await problems(attrs.evolve(CONFIG, server=server, recording=recording))) == 2


def test_changes_are_named_by_table_and_key() -> None:
    agent = Agent(greeting="Hello.", voice="cedar")
    after = attrs.evolve(CONFIG, agent=agent, recording=Recording(), twilio=Twilio(insecure=True, path="/other"))
    assert changes(CONFIG, CONFIG) == ()
    assert changes(CONFIG, after) == ("twilio.path", "agent.voice", "agent.greeting", "recording")
    assert changes(after, CONFIG) == ("twilio.path", "agent.voice", "agent.greeting", "recording")


def test_what_is_opened_once_cannot_follow_another_value() -> None:
    after = attrs.evolve(
        CONFIG, server=Server(listen=Listen("127.0.0.1", 9), reuse_port=True), admin=Admin(Path("/run/x.sock"))
    )
    listen, reuse_port, socket = fixed_problems(CONFIG, after)
    assert fixed_problems(CONFIG, CONFIG) == []
    assert listen == (
        '`listen` cannot change while the daemon runs: it is "127.0.0.1:8080" and the file says "127.0.0.1:9": '
        "restart the daemon, or put the old value back, at server.listen"
    )
    assert "it is false and the file says true" in reuse_port
    assert 'it is not set and the file says "/run/x.sock"' in socket


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://h/v1", "ws://h/v1?model=m"),
        ("ws://h/v1?call_id=c", "ws://h/v1?call_id=c"),
        ("ws://h/v1?model=own", "ws://h/v1?model=own"),
        ("ws://h/v1?x=1&y=", "ws://h/v1?x=1&y=&model=m"),
    ],
)
def test_the_model_is_in_the_address_once(url: str, expected: str) -> None:
    assert with_model(url, "m") == expected
