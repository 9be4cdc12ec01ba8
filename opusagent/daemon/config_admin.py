"""`[admin]`: where a running daemon is asked and told things, and by whom."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import attrs

from opusagent.daemon.config_errors import TableReader
from opusagent.daemon.config_tables import Admin, Server
from opusagent.daemon.config_values import Listen, WrongValue, tokens_in
from opusagent.secret import Secret

ADMIN_CREDENTIAL: Final = "admin_tokens"
"""What LoadCredential= in a unit calls the file with the tokens, one a line."""

CONTROL_SOCKET: Final = "control.sock"
"""In the unit's RuntimeDirectory=, unless the file says where."""

_NO_TOKENS: Final = (
    "`listen` would let anybody end calls who reaches it: set `tokens_file` to a file with a token a line, hand over "
    f"the credential `{ADMIN_CREDENTIAL}`, or leave `listen` out and use the Unix socket, at admin.listen"
)


@attrs.frozen
class AdminTable:
    """`[admin]` as the file has it: tokens are in a file of their own."""

    socket: Path | None = None
    listen: Listen | None = None
    tokens_file: Path | None = None


def read_admin(
    reader: TableReader,
    environ: Mapping[str, str],
    credential: Callable[[str], tuple[Secret, ...] | None],
    server: Server,
) -> Admin:
    """The table; what is wrong with it is left with the `reader`.

    Without a `socket` it is one in the directory that the service manager has made for us, if it has.
    """
    table = reader.read("admin", AdminTable)
    runtime = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    socket = table.socket or (Path(runtime, CONTROL_SOCKET) if runtime else None)
    if table.listen is None:
        return Admin(socket)
    admin = Admin(socket, table.listen, _tokens(reader, table, credential))
    reader.problems += _problems(admin, server, reader)
    return admin


def _tokens(
    reader: TableReader, table: AdminTable, credential: Callable[[str], tuple[Secret, ...] | None]
) -> tuple[Secret, ...]:
    if table.tokens_file is None:
        return credential(ADMIN_CREDENTIAL) or ()
    try:
        return tokens_in(table.tokens_file)
    except WrongValue as wrong:
        reader.problems.append(f"`tokens_file` {wrong}, at admin.tokens_file")
        reader.faulty.add("admin.tokens_file")
        return ()


def _problems(admin: Admin, server: Server, reader: TableReader) -> list[str]:
    """What forbids listening there. A token that anybody can read on its way is none."""
    problems: list[str] = []
    if admin.listen is None or {"admin.listen", "admin.tokens_file"} & reader.faulty:
        return problems
    if not admin.tokens:
        problems.append(_NO_TOKENS)
    if admin.listen == server.listen and admin.listen.port:
        problems.append("`listen` must not be server.listen: the admin side has a port of its own, at admin.listen")
    if not admin.listen.is_loopback and server.certificate is None:
        problems.append(
            "`listen` must be a loopback address such as 127.0.0.1 as long as there is no certificate: tokens would "
            "travel in the clear; set `certificate` and `certificate_key` under [server], at admin.listen"
        )
    return problems
