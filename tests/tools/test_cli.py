"""How the command line finds commands, and what each way to end gives."""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from core.io.hlog import HlogFile
from core.model.errors import (
    BadConfig,
    BadParameter,
    ConnectionLost,
    HotloopError,
    JournalFailed,
    OrdersSurvived,
)
from core.state.hops import HOPS, Hops
from tools import cli

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def ends_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | BaseException], int]:
    """Return how to run a ``hotloop report x`` that ends in a given way."""

    def run(outcome: int | BaseException) -> int:
        def end(_: argparse.Namespace) -> int:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        module = SimpleNamespace(add_arguments=lambda parser: parser.add_argument("x"), run=end)
        monkeypatch.setitem(sys.modules, "tools.report", module)
        return cli.main(["report", "x"])

    return run


def test_a_commands_own_code_is_the_exit_code(ends_with: Callable[..., int]) -> None:
    assert ends_with(0) == 0
    assert ends_with(1) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadConfig("what is wrong"), 2),
        (BadParameter("what is wrong"), 2),
        (ConnectionLost("what is wrong"), 3),
        (JournalFailed("what is wrong"), 1),
        (OrdersSurvived("what is wrong"), 4),
    ],
)
def test_a_typed_error_is_one_line_and_its_branchs_code(
    error: HotloopError,
    code: int,
    ends_with: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends_with(error) == code
    assert capsys.readouterr().err == "hotloop: what is wrong\n"


def test_of_a_group_each_error_is_said_and_the_worst_decides(
    ends_with: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    lost = ConnectionLost("reset")
    group = ExceptionGroup("a", [lost, ExceptionGroup("b", [OrdersSurvived("two are left"), lost])])
    assert ends_with(group) == 4
    assert capsys.readouterr().err == "hotloop: reset\nhotloop: two are left\n"


WHILE_TRADING = ExceptionGroup("", [OSError(5, "Input/output error", "/run/folder/run.log")])
"""A file that failed in a task: orders may stand, so that this is no wrong argument."""


@pytest.mark.parametrize(
    "error", [KeyError("x"), ExceptionGroup("", [BadConfig("x"), KeyError()]), WHILE_TRADING]
)
def test_an_error_outside_the_tree_comes_out_as_it_is(
    error: Exception, ends_with: Callable[..., int]
) -> None:
    with pytest.raises(type(error)):
        ends_with(error)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), BaseExceptionGroup("", [KeyboardInterrupt()])]
)
def test_an_interrupt_has_its_own_code(error: BaseException, ends_with: Callable[..., int]) -> None:
    assert ends_with(error) == 130


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    script = (
        "import sys; from types import SimpleNamespace; from tools import cli\n"
        "def run(_):\n"
        "    for _ in range(100_000): print('a line that nobody reads')\n"
        "sys.modules['tools.report'] = SimpleNamespace(add_arguments=lambda _: None, run=run)\n"
        "sys.exit(cli.main(['report']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=10) == 141


@pytest.mark.parametrize("arguments", [[], ["rum"], ["--nothing"]])
def test_wrong_usage_names_the_commands_and_is_misuse(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: hotloop" in capsys.readouterr().err


def test_help_names_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert name in text
        assert command.about in text
    for code, meaning in cli.MEANINGS.items():
        assert str(code.value) in text
        assert meaning in text


@pytest.mark.parametrize("command", ["check"])
def test_the_help_of_a_command_has_an_example_that_it_accepts(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert cli.COMMANDS[command].example in capsys.readouterr().out


def test_help_imports_no_command_and_nothing_heavy() -> None:
    script = (
        "import sys; from tools.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'trio', 'httpx', 'ssl', 'importlib.metadata', 'tools.check', 'tools.run'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stderr == "[]\n"


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("hotloop ")


def test_the_page_on_exit_codes_says_what_help_says() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text()
    for code, meaning in cli.MEANINGS.items():
        assert f"| {code.value} | {meaning} |" in page


# -- what a user types and does ----------------------------------------------------------------


@pytest.mark.parametrize("command", ["run x.toml", "demo"])
@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf", "1e99", "soon"])
def test_a_time_that_is_none_is_refused(
    command: str, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli._run([*command.split(), "--seconds", seconds])
    assert caught.value.code == 2
    assert "must be a number above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    ["bench --rounds", "bench --levels", "bench --soak", "dst --jobs", "dst --seeds"],
)
@pytest.mark.parametrize("number", ["-1", "0", "nan", "inf", "1e99", "9" * 5000, "many", ""])
def test_a_count_that_is_none_is_refused(
    option: str, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli._run([*option.split(), number])
    assert caught.value.code == 2
    assert "must be a" in capsys.readouterr().err


def test_a_file_that_the_system_refuses_is_a_line_and_no_traceback(
    ends_with: Callable[[int | BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(PermissionError(13, "Permission denied", "/somebody/else")) == 2
    assert capsys.readouterr().err == "hotloop: /somebody/else: Permission denied\n"


def test_no_terminal_obeys_what_a_venue_has_said(
    ends_with: Callable[[int | BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(BadConfig("it said \x1b[2J\x07\r\nand more")) == 2
    assert capsys.readouterr().err == "hotloop: it said \\x1b[2J\\x07\\r\nand more\n"


def test_too_few_descriptors_are_a_line_and_no_traceback(
    ends_with: Callable[[int | BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(OSError(24, "Too many open files")) == 2
    assert "ulimit -n" in capsys.readouterr().err


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_a_table_or_json_whose_reader_has_gone_ends_with_141(
    tmp_path: pathlib.Path, extra: list[str]
) -> None:
    hops, start_ns = Hops(), 1_790_000_000_000_000_000
    hops.record(HOPS.index("gc"), 1_000)
    while hops.fold():
        pass
    log = HlogFile(tmp_path / "hops.hlog", start_ns)
    log.put(hops.interval(start_ns, start_ns + 1_000_000_000))
    log.close()
    reading, writing = os.pipe()
    os.close(reading)  # gone before the first byte
    done = subprocess.run(
        [sys.executable, "-m", "tools", "report", str(tmp_path), *extra],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        check=False,
    )
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 141


CLOSED = (
    "import os, sys; os.closerange(0, 3); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
"""Starts Python as some service managers do: without any standard descriptor."""


def test_who_starts_us_without_output_has_no_file_of_ours_take_its_place(
    tmp_path: pathlib.Path,
) -> None:
    script = (
        "import sys; from types import SimpleNamespace; from tools import cli\n"
        "def run(args):\n"
        "    with open(args.x, 'w') as file:\n"
        "        print('to nobody'); print('to nobody', file=sys.stderr)\n"
        "        file.write(f'{file.fileno()} {sys.stdin.read()}')\n"
        "    return 0\n"
        "add = lambda parser: parser.add_argument('x')\n"
        "sys.modules['tools.report'] = SimpleNamespace(add_arguments=add, run=run)\n"
        "sys.exit(cli.main(['report', sys.argv[1]]))\n"
    )
    place = tmp_path / "written"
    command = [sys.executable, "-c", CLOSED, "-c", script, str(place)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    descriptor, _ = place.read_text().split(" ")
    assert int(descriptor) > 2


def test_output_without_room_is_a_line_and_no_traceback() -> None:
    with pathlib.Path("/dev/full").open("wb") as full:
        script = (
            "import sys; from types import SimpleNamespace; from tools import cli\n"
            "def run(_): print('a line'); return 0\n"
            "sys.modules['tools.report'] = SimpleNamespace(add_arguments=lambda _: None, run=run)\n"
            "sys.exit(cli.main(['report']))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"hotloop: the output cannot be written: No space left on device\n"
