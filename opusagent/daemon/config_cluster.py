"""`[cluster]`: several processes, on one machine or more, among which a call can be found again."""

import importlib.util
import ipaddress
from typing import Annotated, Final
from urllib.parse import urlsplit

import attrs

from opusagent.daemon.config_errors import TableReader
from opusagent.daemon.config_values import WrongValue, shown
from opusagent.secret import Secret

EXTRA: Final = "coredis"
_SCHEMES: Final = ("redis", "rediss", "unix")


def redis_url(text: str) -> str:
    """Where Redis is. A password does not stand in the configuration."""
    try:
        parts = urlsplit(text)
        password, _ = parts.password, parts.port
    except ValueError as error:
        raise WrongValue(f'must be an address like "redis://10.0.0.1:6379/0": {error}') from None
    if password is not None:
        raise WrongValue("must hold no password: `redis_password_file` names the file that does")
    if parts.scheme not in _SCHEMES or not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise WrongValue(f'must be an address like "redis://10.0.0.1:6379/0", not {shown(text)}')
    if importlib.util.find_spec(EXTRA) is None:
        raise WrongValue(f'needs the package {EXTRA}: install it with `pip install "opusagent[redis]"`')
    return text


def own_address(text: str) -> str:
    """An address of this machine that the others can dial."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise WrongValue(f'must be an IP address of this machine like "10.0.0.5", not {shown(text)}') from None
    if address.is_unspecified:
        raise WrongValue(f"must be one address that the other processes can dial, not {shown(text)}")
    return text


@attrs.frozen(kw_only=True)
class Cluster:
    """Each process listens at `host`, at a port of its own, for the others, which all show the same `secret`."""

    redis: str
    secret: Secret
    password: Secret | None = None
    host: str = "127.0.0.1"


@attrs.frozen
class ClusterTable:
    """`[cluster]` as the file has it: secrets are in other files."""

    redis: Annotated[str, redis_url] | None = None
    redis_password_file: Secret | None = None
    secret_file: Secret | None = None
    host: Annotated[str, own_address] = "127.0.0.1"


def read_cluster(reader: TableReader) -> Cluster | None:
    """The cluster, if there is one; what is wrong with it is left with the `reader`."""
    table = reader.read_if_there("cluster", ClusterTable)
    if table is None:
        return None
    for key, value in (("redis", table.redis), ("secret_file", table.secret_file)):
        if value is None and f"cluster.{key}" not in reader.faulty:
            reader.problems.append(f"`{key}` is missing, at cluster.{key}")
    if table.redis is None or table.secret_file is None:
        return None
    return Cluster(redis=table.redis, secret=table.secret_file, password=table.redis_password_file, host=table.host)
