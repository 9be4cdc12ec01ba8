"""The function that a configuration names, or a sentence that says why there is none."""

from pathlib import Path

import pytest

from opusagent.tools.loading import load_function
from opusagent.tools.signature import WrongSignature


def test_a_function_of_a_module() -> None:
    assert load_function("opusagent.tools.loading:load_function") is load_function


def test_two_functions_of_a_file_share_its_module(tmp_path: Path) -> None:
    file = tmp_path / "two.py"
    file.write_text(
        "seen = []\ndef add(x: str): seen.append(x)\nclass Shop:\n    @staticmethod\n    def all(): return seen\n"
    )
    load_function(f"{file}:add")(x="a")
    assert load_function(f"{file}:Shop.all")() == ["a"]


@pytest.mark.parametrize("name", ["", "os", ":f", "os:", "os:a-b", "os:a b", "os:path."])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(WrongSignature, match=r'^must be "module:function" or "file\.py:function"$'):
        load_function(name)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("no_such_module_here:f", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("..x:f", "cannot be imported: "),
        ("nowhere/at_all.py:f", "cannot be imported: FileNotFoundError: "),
        ("os:no_such_thing", "has no `no_such_thing`"),
        ("os:path.no_such_thing", "has no `path.no_such_thing`"),
        ("os:sep", "`sep` is no function"),
        ("pathlib:Path", "`Path` is no function"),
    ],
)
def test_what_is_not_there(name: str, complaint: str) -> None:
    with pytest.raises(WrongSignature) as wrong:
        load_function(name)
    assert str(wrong.value).startswith(complaint)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def f(:", "cannot be imported: SyntaxError: "),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    ],
)
def test_a_file_that_fails_is_said_so_and_read_again(source: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(source)
    with pytest.raises(WrongSignature) as wrong:
        load_function(f"{file}:f")
    assert str(wrong.value).startswith(complaint)
    file.write_text("def f(): return 'mended'")
    assert load_function(f"{file}:f")() == "mended"
