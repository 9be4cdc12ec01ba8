"""Finds the function that a configuration names: `package.module:function`, or `directory/file.py:function`.

Code is read once in a process: two functions of one file share its module, and a reload of the configuration does not
replace it. A file's name is taken from the working directory, like every name in the configuration.
"""

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from opusagent.tools.signature import Function, WrongSignature


def load_function(name: str) -> Function:
    """The function called `name`, its module imported.

    Raises:
        WrongSignature: there is none, or its module cannot be imported; the text says why.
    """
    module_name, colon, path = name.rpartition(":")
    if not colon or not module_name or not all(part.isidentifier() for part in path.split(".")):
        raise WrongSignature('must be "module:function" or "file.py:function"')
    found: object = _module(module_name)
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise WrongSignature(f"has no `{path}`")
    if isinstance(found, type) or not isinstance(found, Function):
        raise WrongSignature(f"`{path}` is no function")
    return found


def _module(name: str) -> ModuleType:
    try:
        return _file(Path(name)) if name.endswith(".py") else importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise WrongSignature(f"cannot be imported: {type(error).__name__}: {error}") from error


def _file(path: Path) -> ModuleType:
    """The module of a file, under a name that no other module has."""
    digest = hashlib.sha256(str(path.resolve()).encode(errors="surrogateescape")).hexdigest()
    name = f"opusagent_tools_{digest[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
