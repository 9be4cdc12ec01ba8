"""`[cluster]`: where the others are found, and what a person is told who got it wrong."""

from pathlib import Path

import pytest

from opusagent.daemon.config import parse
from opusagent.daemon.config_cluster import Cluster
from opusagent.daemon.generation import fixed_problems
from opusagent.errors import ConfigError
from opusagent.secret import Secret

PLATFORM = "[twilio]\ninsecure = true\n"


def cluster(text: str) -> Cluster | None:
    return parse(f"{PLATFORM}[cluster]\n{text}", {}, source="x.toml").cluster


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        cluster(text)
    return tuple(problem.removeprefix("x.toml: ") for problem in refused.value.problems)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("hunter2\n")
    return tmp_path / "secret"


def test_a_cluster_on_one_machine_and_on_several(secret: Path) -> None:
    line = f'secret_file = "{secret}"\n'
    here = cluster(f'{line}redis = "unix:///run/redis/redis.sock"')
    assert here == Cluster(redis="unix:///run/redis/redis.sock", secret=Secret("hunter2"))
    there = cluster(
        f'{line}redis = "rediss://redis.example.net:6380/1"\nredis_password_file = "{secret}"\nhost = "::1"'
    )
    url = "rediss://redis.example.net:6380/1"
    assert there == Cluster(redis=url, secret=Secret("hunter2"), password=Secret("hunter2"), host="::1")
    assert "hunter2" not in repr(there)


def test_everything_wrong_is_said_at_once(secret: Path) -> None:
    assert problems("") == (
        "`redis` is missing, at cluster.redis",
        "`secret_file` is missing, at cluster.secret_file",
    )
    assert problems(f'redis = "redis://:hunter2@x"\nsecret_file = "{secret.parent}/none"\nhost = "0.0.0.0"') == (
        "`redis` must hold no password: `redis_password_file` names the file that does, at cluster.redis",
        (
            f"`secret_file` names {secret.parent}/none, which cannot be read: No such file or directory, "
            "at cluster.secret_file"
        ),
        '`host` must be one address that the other processes can dial, not "0.0.0.0", at cluster.host',
    )
    assert problems(f'redis = "http://x"\nsecret_file = "{secret}"\nhost = "here"') == (
        '`redis` must be an address like "redis://10.0.0.1:6379/0", not "http://x", at cluster.redis',
        '`host` must be an IP address of this machine like "10.0.0.5", not "here", at cluster.host',
    )


def test_a_cluster_is_joined_once(secret: Path) -> None:
    """No secret is shown."""
    text = f'{PLATFORM}[cluster]\nredis = "redis://x"\nsecret_file = "{secret}"\n'
    old = parse(text, {}, source="x.toml")
    secret.write_text("another")
    told = fixed_problems(old, parse(text.replace("//x", "//y"), {}, source="x.toml"))
    assert [line.rpartition(", at ")[2] for line in told] == ["cluster.redis", "cluster.secret"]
    assert 'it is "redis://x" and the file says "redis://y"' in told[0]
    assert "hunter2" not in repr(told)
    (left,) = fixed_problems(old, parse(PLATFORM, {}, source="x.toml"))
    assert left.startswith("`cluster` cannot change while the daemon runs: it is set and the file says not set")
