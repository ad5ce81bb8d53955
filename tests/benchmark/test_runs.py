import json
import subprocess
import sys

import pytest
from mini_run import ROOT
from quick_run import CONFIG, quick_run, write_config

from mmasg.benchmark.arms import Arm
from mmasg.benchmark.results import LAST, Result
from mmasg.benchmark.runs import Run, RunFailedError


def call(command, log, tick):
    with open(log, "a") as output:
        code = subprocess.run([sys.executable, *command], stdout=output, stderr=output).returncode
    if tick is not None:
        tick(1.5)
    return code


def test_a_run_trains_tests_and_writes_its_result(tmp_path):
    run = quick_run(tmp_path, seed=3)
    assert not run.finished() and run.fraction() == 0
    run.complete(call)
    assert run.finished() and run.fraction() == 1
    result = Result.read(tmp_path / "out/results/x_seed3.json")
    assert (result.name, result.seed, result.seconds, result.title) == ("x", 3, 1.5, "X")
    assert result.value("mIoU", "test_dataloader") == 33
    assert result.value("mIoU", "source_dataloader") == 32


def test_what_is_there_is_not_made_again(tmp_path):
    run = quick_run(tmp_path)
    run.complete(call)
    kept = tmp_path / "out/x_seed0/metrics_last_test_dataloader.json"
    kept.write_text(json.dumps({"mIoU": 1.0}))
    (tmp_path / "out/x_seed0/metrics_last_source_dataloader.json").unlink()
    again = quick_run(tmp_path)
    assert again.todo() == [(LAST, "source", "source_dataloader")]
    again.complete(call)
    result = Result.read(again.result_file)
    assert result.value("mIoU", "test_dataloader") == 1
    assert result.value("mIoU", "source_dataloader") == 29


def test_an_interrupted_training_goes_on_and_its_seconds_add_up(tmp_path):
    run = quick_run(tmp_path)

    def killed(command, log, tick):
        tick(10.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.complete(killed)
    (run.folder / "iter_8.pth").write_text("half way")
    again = quick_run(tmp_path)
    again.complete(call)
    assert (run.folder / "iter_8.pth").is_file()  # the folder was not begun anew
    assert Result.read(again.result_file).seconds == 11.5


def test_other_settings_start_anew_beside_the_old(tmp_path, capsys):
    quick_run(tmp_path).complete(call)
    again = quick_run(tmp_path, text=CONFIG.replace("0.1", "0.2"))
    assert not again.finished()
    again.complete(call)
    assert "results of other settings, moved to x_seed0.before" in capsys.readouterr().out
    assert (tmp_path / "out/x_seed0.before/iter_20.pth").is_file()
    assert again.finished()


def test_intermediate_checkpoints_are_kept_and_tested(tmp_path):
    run = quick_run(tmp_path, also_at=[10, 4])
    # The common divisor of what is asked for and of the config's interval of 8.
    assert run.train_command()[-1] == "2"
    run.complete(call)
    result = Result.read(run.result_file)
    assert [result.value("mIoU", "test_dataloader", at) for at in ("4", "10", LAST)] == [25, 25, 30]
    there = sorted(file.name for file in run.folder.glob("*.pth"))
    assert there == ["iter_10.pth", "iter_20.pth", "iter_4.pth"]


def test_a_point_that_an_earlier_training_did_not_keep(tmp_path):
    quick_run(tmp_path).complete(call)
    with pytest.raises(RunFailedError, match="no .*iter_5.pth.*without --also-at 5"):
        quick_run(tmp_path, also_at=[5]).complete(call)
    # At 8 there was a checkpoint by chance; the figures at the end stay.
    run = quick_run(tmp_path, also_at=[8])
    run.complete(call)
    assert set(Result.read(run.result_file).metrics) == {LAST, "8"}


@pytest.mark.parametrize("points", [[0], [20], [4, 30]])
def test_points_outside_the_training(tmp_path, points):
    with pytest.raises(ValueError, match=r"--also-at .*allowed: 1 to 20 \(excluded\)"):
        quick_run(tmp_path, also_at=points)


def test_a_failure_shows_the_end_of_the_log(tmp_path):
    run = quick_run(tmp_path)
    run.scores = {"x": None}
    with pytest.raises(RunFailedError, match=r"'train' ended with code 3(.|\n)*cannot go on"):
        run.complete(call)
    assert not run.finished()


def test_a_dataloader_that_the_config_lacks(tmp_path):
    with pytest.raises(ValueError, match="got 'tst_dataloader'.*Did you mean 'test_dataloader'"):
        quick_run(tmp_path, tests={"t": "tst_dataloader"})


def test_progress_is_read_from_the_log(tmp_path):
    run = quick_run(tmp_path, seed=2)
    run.folder.mkdir(parents=True)
    run._now = "train"
    assert run.words() == "x (seed 2) 0/20"
    (run.folder / "train.log").write_text("Iter(train) [ 5/20]  loss: 1\n")
    assert run.words() == "x (seed 2) 5/20"
    assert run.fraction() == pytest.approx(0.25 / 1.2)  # two tests of a tenth each


def test_another_policy_is_another_setting(tmp_path, monkeypatch):
    from mmasg.l2o import policy_file

    def settings():
        arm = Arm("asg", str(ROOT / "configs/asg/mini_gta2cityscapes.py"))
        return Run(arm, 0, tmp_path, {}).settings()

    before = settings()
    assert settings() == before
    (tmp_path / "mini.pth").write_bytes(b"another policy of that name")
    monkeypatch.setattr(policy_file, "BOX", tmp_path)
    assert settings() != before


def test_commands_name_config_checkpoint_and_options(tmp_path):
    config = write_config(tmp_path)
    run = Run(Arm("x", config, options=("lr=0.3",)), 3, tmp_path, {"t": "test_dataloader"})
    train = run.train_command()
    assert train[0].endswith("tools/train.py") and train[1] == config
    assert train[2:] == [
        *("--work-dir", str(tmp_path / "x_seed3"), "--resume"),
        *("--cfg-options", "lr=0.3", "randomness.seed=3"),
    ]
    test = run.test_command(tmp_path / "iter_2.pth", "test_dataloader", tmp_path / "m", keep=True)
    assert test[2] == str(tmp_path / "iter_2.pth")
    assert test[test.index("--dataloader") + 1] == "test_dataloader"
    assert test[test.index("--out") + 1] == str(run.predictions)
    assert test[-2:] == ["lr=0.3", "randomness.seed=3"]
