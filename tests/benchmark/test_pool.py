import fcntl
import os
import subprocess
import sys
import textwrap
import time

import pytest
from quick_run import quick_run

from mmasg.benchmark.pool import Children, duration, run_all
from mmasg.benchmark.results import Result


def test_all_runs_are_completed_and_then_taken_as_they_are(tmp_path, capsys):
    runs = [quick_run(tmp_path, name) for name in ("a", "b", "c")]
    assert run_all(runs, workers=2) == []
    assert all(run.finished() for run in runs)
    assert run_all([quick_run(tmp_path, name) for name in ("a", "b", "c")]) == []
    assert capsys.readouterr().out.count("taken as it is") == 3


def test_a_failed_run_does_not_end_the_others(tmp_path):
    runs = [quick_run(tmp_path, name) for name in ("a", "b", "c")]
    runs[0].scores = {"a": None}
    (failure,) = run_all(runs, workers=1)
    assert "a_seed0: 'train' ended with code 3" in failure
    assert [run.finished() for run in runs] == [False, True, True]


def test_each_process_has_its_threads(tmp_path):
    log = tmp_path / "log"
    run = quick_run(tmp_path)
    run.folder.mkdir(parents=True)
    command = ["-c", "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['PYTHONPATH'])"]
    assert Children(3).caller(run)(command, log, None) == 0
    assert log.read_text().split(os.pathsep)[0].startswith("3 /")


def test_an_ended_comparison_ends_its_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import signal, sys
            sys.path[:0] = sys.argv[2:]
            import pathlib
            from quick_run import QuickRun, quick_run
            from mmasg.benchmark.pool import run_all
            sleep = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
            QuickRun.train_command = lambda self: ["-c", sleep]
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            run_all([quick_run(pathlib.Path(sys.argv[1]))])
            """
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), *sys.path], stderr=subprocess.DEVNULL
    )
    log = tmp_path / "out/x_seed0/train.log"
    until = time.time() + 60
    while not (log.is_file() and log.read_text().strip()):
        assert time.time() < until and process.poll() is None
        time.sleep(0.1)
    process.terminate()
    assert process.wait(timeout=30) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


def test_a_run_that_a_killed_comparison_left_behind_is_waited_for(tmp_path, capsys):
    run = quick_run(tmp_path)
    run.folder.mkdir(parents=True)
    children = Children(1)
    held = "import time; time.sleep(3)"
    begun = time.time()
    lock = open(run.folder / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    subprocess.Popen([sys.executable, "-c", held], pass_fds=(lock.fileno(),))
    lock.close()  # as the comparison's end does; the process goes on
    assert children.caller(run)(["-c", ""], tmp_path / "log", None) == 0
    assert time.time() - begun >= 3
    assert "another process is at this run" in capsys.readouterr().out


def test_seconds_are_counted_while_a_training_runs(tmp_path):
    run = quick_run(tmp_path)
    run_all([run])
    assert 0 < Result.read(run.result_file).seconds < 60


@pytest.mark.parametrize(
    "seconds, text",
    [(7.4, "7 s"), (75, "1 min 15 s"), (3599.7, "1 h 00 min"), (7380, "2 h 03 min")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
