import subprocess
import sys
from importlib.metadata import version

import pytest


def test_version(run):
    assert run("--version").stdout == f"evocache {version('evocache')}\n"


def test_the_module_runs_and_knows_its_version():
    import evocache

    assert evocache.__version__ == version("evocache")
    for words in (["-V"], ["--version"]):
        done = subprocess.run([sys.executable, "-m", "evocache", *words], capture_output=True, text=True, check=True)
        assert done.stdout == f"evocache {evocache.__version__}\n"


def test_shells_can_complete(run):
    assert "--install-completion" in run("--help").stdout


def test_help_lists_the_commands_and_examples(run):
    text = run("--help").stdout
    for command in ("demo", "generate", "inspect", "policies", "schedule"):
        assert command in text
    assert "$ evocache demo" in text


@pytest.mark.parametrize("command", ["demo", "generate", "inspect", "policies", "schedule show", "schedule convert"])
def test_every_command_explains_itself(run, command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Examples" in result.stdout


def test_nothing_heavy_is_imported_before_a_command_runs():
    script = (
        "import sys\n"
        "from evocache.cli.app import app\n"
        "for arguments in (['--help'], ['generate', '--help'], ['policies']):\n"
        "    app(arguments, standalone_mode=False)\n"
        "heavy = {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_arguments_show_the_help(run):
    assert "Commands" in run().output


def test_unknown_command(run):
    result = run("accelerate")
    assert result.exit_code == 2
    assert "accelerate" in result.stderr


def test_debug_lets_the_error_through(run):
    from evocache.errors import PolicyError

    with pytest.raises(PolicyError, match="fora:N"):
        run("--debug", "schedule", "show", "fora:x")
