"""How our commands are started: by interpreter, apart from the shell's group, settings unseen."""

import os
import sys

from cli import processes, roles
from cli.processes import Command
from cli.up import SMALL, ProcessSet
from clients import errors
from clients.clock import SystemClock
from clients.kube.protocol import NoKube
from clients.redis.store import Store
from config.roles import Queue
from config.settings.settings import Settings
from tasks import wiring
from tasks.serving import Line
from tests.fakes import memory_redis
from tests.stage.bag import Bag
from tests.stage.measuring import Hooks, Meters


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
    assert child.process.wait(timeout=60) == 0
    assert child.ended() == 0


def test_a_worker_serves_its_queues_with_a_concurrency_each() -> None:
    """Threads as the settings say; work at the API server alone waits while that is away."""
    settings = Settings.from_environ({"COALMINE_HOOKS_CONCURRENCY": "7"})
    store = Store(memory_redis.connect())
    doors = wiring.Doors(store, NoKube(), Meters(), Hooks(), Bag(), SystemClock())
    lines = list(roles.lines_of(settings, list(Queue), doors, wiring.wire(settings, doors)))

    at_once = {line.queue.value: line.calls.most if line.calls else line.threads for line in lines}
    assert at_once == {"analysis": 8, "hooks": 7, "routing": 4, "report": 4}
    assert [line.queue for line in lines if _is_shut(line)] == [Queue.ROUTING, Queue.REPORT]


def _is_shut(line: Line) -> bool:
    """Whether a look at what the line needs finds something away."""
    try:
        line.intake._probe()
    except errors.ClientError:
        return True
    return False


def test_a_small_set_does_all_the_work_in_two_processes() -> None:
    """Beside the supervisor and the embedded server."""
    beat, worker = SMALL.commands()

    assert (beat.name, beat.arguments[:1]) == ("beat-1", ("beat",))
    assert worker.name == "worker-1"
    assert worker.arguments[:2] == ("worker", "analysis,hooks,routing,report")
    assert SMALL.absent() == ()
