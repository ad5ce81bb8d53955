import json
import sys

import pytest

from mmasg.benchmark.arms import Arm
from mmasg.benchmark.jobs import Job, Pool, Step

WRITE = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('done')"
FAIL = "print('cannot go on'); raise SystemExit(3)"


class QuickJob(Job):
    """A job whose two commands take no time."""

    def __init__(self, folder, script=WRITE):
        self.script = script
        super().__init__(
            Arm("seg", "x", "configs/asg/mini_gta2cityscapes_baseline.py", "X"),
            0,
            folder,
            {"t": "d"},
        )

    def steps(self):
        train, test = self.folder / "trained", self.folder / "tested"
        return [
            Step("train", ["-c", self.script, str(train)], 1.0, train),
            Step("test t", ["-c", WRITE, str(test)], 0.1, test),
        ]


def test_steps_run_in_order_and_only_once(tmp_path, capsys):
    job = QuickJob(tmp_path / "job")
    Pool([job], workers=1).run()
    assert all(step.result.read_text() == "done" for step in job.steps())
    assert job.seconds() >= 0
    for step in job.steps():
        step.result.write_text("kept")
    Pool([QuickJob(tmp_path / "job")], workers=1).run()
    assert job.steps()[0].result.read_text() == "kept"
    assert "taken as it is" in capsys.readouterr().out


def test_an_interrupted_job_goes_on(tmp_path):
    job = QuickJob(tmp_path / "job")
    Pool([job], workers=1).run()
    job.steps()[0].result.write_text("kept")
    job.steps()[1].result.unlink()
    Pool([QuickJob(tmp_path / "job")], workers=1).run()
    assert [s.result.read_text() for s in job.steps()] == ["kept", "done"]


def test_another_policy_starts_anew(tmp_path, monkeypatch):
    from mmasg.l2o import policy_file

    arm = Arm("seg", "asg", "configs/asg/mini_gta2cityscapes.py", "both")
    key = Job(arm, 0, tmp_path, {}).key()
    assert Job(arm, 0, tmp_path, {}).key() == key
    (tmp_path / "mini.pth").write_bytes(b"another policy of that name")
    monkeypatch.setattr(policy_file, "BOX", tmp_path)
    assert Job(arm, 0, tmp_path, {}).key() != key


def test_other_settings_start_anew(tmp_path):
    job = QuickJob(tmp_path / "job")
    Pool([job], workers=1).run()
    job.steps()[0].result.write_text("of the old settings")
    again = QuickJob(tmp_path / "job")
    again.options = [*again.options, "train_cfg.max_iters=7"]
    Pool([again], workers=1).run()
    assert again.steps()[0].result.read_text() == "done"


def test_a_failure_shows_the_end_of_the_log(tmp_path):
    job = QuickJob(tmp_path / "job", FAIL)
    with pytest.raises(RuntimeError, match=r"'train' ended with code 3(.|\n)*cannot go on"):
        Pool([job], workers=1).run()


def test_iteration_is_read_from_the_log(tmp_path):
    job = QuickJob(tmp_path / "job")
    assert job.iteration() == 0
    log = tmp_path / "job" / "20260101" / "vis_data"
    log.mkdir(parents=True)
    (log / "scalars.json").write_text(json.dumps(dict(loss=1.0, step=20)) + "\n")
    assert job.iteration() == 20


def test_a_real_job_names_its_commands(tmp_path):
    arm = Arm("seg", "x", "configs/asg/mini_gta2cityscapes_baseline.py", "X")
    job = Job(arm, 3, tmp_path, {"target": "test_dataloader", "source": "source_dataloader"})
    train, target, source = job.steps()
    assert train.command[2:5] == ["--work-dir", str(tmp_path), "--resume"]
    assert "randomness.seed=3" in train.command
    assert train.result == tmp_path / f"iter_{job.cfg.train_cfg.max_iters}.pth"
    assert "--out" in target.command and "--out" not in source.command
    assert source.command[source.command.index("--dataloader") + 1] == "source_dataloader"
    assert sys.executable not in train.command
