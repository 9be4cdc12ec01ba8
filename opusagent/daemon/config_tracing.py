"""`[tracing]`: where spans of calls are told (OTLP over HTTP), and by what headers we are known there."""

import importlib.util
import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import attrs

from opusagent.daemon.config_errors import TableReader
from opusagent.daemon.config_values import Words, WrongValue, collector_url, is_loopback, is_readable, lines_in
from opusagent.secret import Secret

EXTRAS: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")

_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([!-~]([ -~]*[!-~])?)")


def traces_endpoint(text: str) -> str:
    """An address of OTLP over HTTP, and the packages that speak it."""
    collector_url(text)
    if not all(map(_is_there, EXTRAS)):
        raise WrongValue('needs the packages of OpenTelemetry: install them with `pip install "opusagent[otel]"`')
    return text


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@attrs.frozen
class Header:
    """One of HTTP's, whose value may be a key."""

    name: str
    value: Secret


@attrs.frozen(kw_only=True)
class Tracing:
    """Spans of calls go to `endpoint`, with `headers`, as those of `service`. `ca_file`: who has signed for it."""

    endpoint: str
    headers: tuple[Header, ...] = ()
    service: str = "opusagent"
    ca_file: Path | None = None


@attrs.frozen
class TracingTable:
    """`[tracing]` as the file has it: headers are in a file of their own."""

    endpoint: Annotated[str, traces_endpoint] | None = None
    headers_file: Path | None = None
    service: Words = "opusagent"
    ca_file: Path | None = None


def headers_in(file: Path) -> tuple[Header, ...]:
    """The headers that `file` holds, one a line, as `name: value`. Empty lines and `#` are passed over."""
    found = [_HEADER.fullmatch(line) for line in lines_in(file)]
    headers = [Header(each[1].lower(), Secret(each[2])) for each in found if each is not None]
    if not headers or len(headers) < len(found):
        wrong = "where a line is not `name: value`" if found else "which holds no header"
        raise WrongValue(f"names {file}, {wrong}")
    return tuple(headers)


def read_tracing(reader: TableReader) -> Tracing | None:
    """Where spans go, if anywhere; what is wrong with it is left with the `reader`."""
    table = reader.read_if_there("tracing", TracingTable)
    if table is None:
        return None
    headers: tuple[Header, ...] = ()
    if table.headers_file is not None:
        try:
            headers = headers_in(table.headers_file)
        except WrongValue as wrong:
            reader.problems.append(f"`headers_file` {wrong}, at tracing.headers_file")
    if table.ca_file is not None and not is_readable(table.ca_file):
        reader.problems.append(f"`ca_file` is no file that can be read: {table.ca_file}, at tracing.ca_file")
    if table.endpoint is None:
        if "tracing.endpoint" not in reader.faulty:
            reader.problems.append("`endpoint` is missing, at tracing.endpoint")
        return None
    where = urlsplit(table.endpoint)
    if headers and where.scheme == "http" and not is_loopback(where.hostname or ""):
        reader.problems.append(
            "`endpoint` must be https for another machine as long as there is a `headers_file`: keys would travel in "
            "the clear, at tracing.endpoint"
        )
    return Tracing(endpoint=table.endpoint, headers=headers, service=table.service, ca_file=table.ca_file)
