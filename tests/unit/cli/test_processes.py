"""How our commands are started: by interpreter, apart from the shell's group, settings unseen."""

import os
import sys

from cli import processes, roles
from cli.processes import Command
from cli.up import ProcessSet
from config.settings.settings import Settings


def test_no_setting_is_on_the_command_line_of_a_child() -> None:
    """Everybody may read the arguments of a process: names and ports only."""
    for command in ProcessSet(flower_port=5555).commands():
        words = command.argv()
        assert words[:4] == [sys.executable, "-P", "-m", "cli"]
        assert words[-2:] == ["--parent-pid", str(os.getpid())]
        assert not [word for word in words if "redis" in word or "kubeconfig" in word]


def test_a_folder_of_the_user_never_takes_the_place_of_our_modules() -> None:
    """Started in a folder with a config/ of its own, a child still imports ours, and only ours."""
    variables = processes.with_our_modules({"PYTHONPATH": "/some/where"})

    first, *rest = variables["PYTHONPATH"].split(os.pathsep)
    assert os.path.isfile(os.path.join(first, "cli", "processes.py"))  # noqa: PTH113, PTH118
    assert rest == ["/some/where"]


def test_a_child_leads_a_group_of_its_own_and_its_end_is_seen() -> None:
    """Ctrl-C in a terminal reaches the parent alone."""
    child = processes.start(Command("version", "cli", ("version",)), dict(os.environ))

    assert os.getpgid(child.pid) == child.pid != os.getpgrp()
    assert child.process.wait(timeout=20) == 0
    assert child.ended() == 0


def test_a_worker_serves_its_own_queue_with_its_own_concurrency() -> None:
    """One role, one queue; the names in Flower say which."""
    settings = Settings.from_environ({"COALMINE_HOOKS_CONCURRENCY": "7"})
    options = roles.worker_options(settings, "hooks", "hooks-2")

    assert options["queues"] == ["hooks"]
    assert options["concurrency"] == 7
    assert options["hostname"] == "hooks-2@"
    assert options["pool_cls"] == "threads"
