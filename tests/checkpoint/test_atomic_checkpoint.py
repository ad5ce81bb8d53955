import multiprocessing
import os
import resource
import signal
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from engine_toy import run_toy, toy_config

from mmasg.checkpoint import atomic_checkpoint, atomic_files
from mmasg.checkpoint.atomic_files import (
    AtomicLocalBackend,
    is_whole_checkpoint,
    remove_leftovers,
    write_atomically,
)


def config(work_dir, max_iters=12, interval=3, **kwargs):
    config = toy_config(work_dir, max_iters=max_iters, **kwargs)
    config["default_hooks"]["checkpoint"] = dict(
        type="AtomicCheckpointHook", by_epoch=False, interval=interval, max_keep_ckpts=2
    )
    return config


def names(folder):
    return sorted(p.name for p in Path(folder).iterdir() if p.is_file() and p.suffix != ".py")


def same_weights(a, b):
    return all(map(torch.equal, a.model.parameters(), b.model.parameters()))


def test_write_replaces_and_makes_folders(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(b"one", path)
    write_atomically(b"two", path)
    assert path.read_bytes() == b"two" and names(path.parent) == ["file"]


def test_failed_write_leaves_the_old_content_and_says_why(tmp_path):
    path = tmp_path / "file.pth"
    write_atomically(b"old", path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A real failure halfway: the system refuses to let files grow beyond 1 MB.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, limits[1]))
    try:
        with pytest.raises(OSError, match=r"file.pth \(2.9 MiB; .* MiB free .*--resume"):
            write_atomically(b"x" * 3 * 10**6, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old" and names(tmp_path) == ["file.pth"]


def test_whole_means_written_to_the_end(tmp_path):
    path = tmp_path / "a.pth"
    torch.save(dict(a=torch.rand(1000)), path)
    assert is_whole_checkpoint(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert not is_whole_checkpoint(path)
    assert not is_whole_checkpoint(tmp_path / "missing.pth")
    (tmp_path / "sharded").mkdir()
    assert not is_whole_checkpoint(tmp_path / "sharded")
    (tmp_path / "sharded" / "part").touch()
    assert is_whole_checkpoint(tmp_path / "sharded")


def test_removals_come_last_and_spare_what_was_written_anew(tmp_path):
    backend = AtomicLocalBackend()
    for name in ("old", "again"):
        (tmp_path / name).write_text("1")
    with backend.removals_last():
        backend.remove(tmp_path / "old")
        backend.remove(tmp_path / "again")
        backend.put_text("2", tmp_path / "again")
        assert names(tmp_path) == ["again", "old"]
    assert names(tmp_path) == ["again"] and (tmp_path / "again").read_text() == "2"
    with pytest.raises(ZeroDivisionError), backend.removals_last():
        backend.remove(tmp_path / "again")
        1 / 0  # noqa: B018
    assert names(tmp_path) == ["again"]


def test_run_keeps_the_newest_and_resumes(tmp_path):
    whole = run_toy(config(tmp_path / "whole"))
    assert names(tmp_path / "whole") == ["iter_12.pth", "iter_9.pth", "last_checkpoint"]
    run_toy(config(tmp_path / "parts", max_iters=6))
    resumed = run_toy(config(tmp_path / "parts", resume=True))
    assert names(tmp_path / "parts") == ["iter_12.pth", "iter_9.pth", "last_checkpoint"]
    assert same_weights(whole, resumed)


def test_nothing_is_deleted_before_the_new_one_is_there(tmp_path, monkeypatch):
    seen = []
    original = os.replace

    def replace(source, target):
        seen.append((Path(target).name, names(tmp_path / "run")))
        original(source, target)

    monkeypatch.setattr(atomic_files.os, "replace", replace)
    run_toy(config(tmp_path / "run"))
    present = {
        target: [n for n in files if n.endswith(".pth")]
        for target, files in seen
        if target.endswith(".pth")
    }
    assert present["iter_9.pth"] == ["iter_3.pth", "iter_6.pth"]
    assert present["iter_12.pth"] == ["iter_6.pth", "iter_9.pth"]


def train_and_die(work_dir, call, nth):
    """Train, and be killed at the nth call of a function of ``os``."""
    real, count = getattr(os, call), iter(range(1, 10**6))

    def die(*args, **kwargs):
        if next(count) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(os, call, die)
    run_toy(config(work_dir))


# Each save calls fsync four times (file and folder, for the checkpoint and for the pointer) and
# replace twice. The third save (iteration 9) is hit before the checkpoint has reached the disk,
# before it has its name, before the pointer has, and before iteration 3's is deleted.
@pytest.mark.parametrize(
    "call, nth, named, left",
    [
        ("fsync", 9, "iter_6.pth", ["iter_3.pth", "iter_6.pth"]),
        ("replace", 5, "iter_6.pth", ["iter_3.pth", "iter_6.pth"]),
        ("replace", 6, "iter_6.pth", ["iter_3.pth", "iter_6.pth", "iter_9.pth"]),
        ("remove", 1, "iter_9.pth", ["iter_3.pth", "iter_6.pth", "iter_9.pth"]),
    ],
)
def test_kill_while_saving(tmp_path, call, nth, named, left):
    work_dir = tmp_path / "run"
    torch.set_num_threads(1)
    # Forked rather than started anew: the imports take longer than the training.
    process = multiprocessing.get_context("fork").Process(
        target=train_and_die, args=(work_dir, call, nth)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert Path((work_dir / "last_checkpoint").read_text()).name == named
    assert [n for n in names(work_dir) if n.endswith(".pth")] == left
    assert all(is_whole_checkpoint(work_dir / n) for n in left)
    resumed = run_toy(config(work_dir, resume=True))
    assert names(work_dir) == ["iter_12.pth", "iter_9.pth", "last_checkpoint"]
    assert same_weights(resumed, run_toy(config(tmp_path / "whole")))


def test_truncated_checkpoints_and_pointer_are_passed_over(tmp_path):
    # What a run with mmengine's own hook may leave.
    run_toy(config(tmp_path / "run", max_iters=6))
    newest = tmp_path / "run" / "iter_6.pth"
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = run_toy(config(tmp_path / "run", resume=True, log_level="WARNING"))
    assert resumed.iter == 12
    log = sorted((tmp_path / "run").glob("*/*.log"))[-1].read_text()
    assert f"resuming from {tmp_path / 'run' / 'iter_3.pth'}, the newest that is whole" in log


def test_resume_without_any_whole_checkpoint(tmp_path):
    run_toy(config(tmp_path / "run", max_iters=3))
    (tmp_path / "run" / "iter_3.pth").write_bytes(b"PK")
    with pytest.raises(FileNotFoundError, match="missing or truncated.*without --resume"):
        run_toy(config(tmp_path / "run", resume=True))
    (tmp_path / "run" / "last_checkpoint").write_text("")
    assert run_toy(config(tmp_path / "run", resume=True, max_iters=3)).iter == 3


def test_full_disk_while_training(tmp_path, monkeypatch):
    run_toy(config(tmp_path / "run", max_iters=6))
    original = os.fsync

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files.os, "fsync", full)
    with pytest.raises(OSError, match="iter_9.pth .*No space left on device. What was saved"):
        run_toy(config(tmp_path / "run", resume=True))
    assert names(tmp_path / "run") == ["iter_3.pth", "iter_6.pth", "last_checkpoint"]
    monkeypatch.setattr(atomic_files.os, "fsync", original)
    assert run_toy(config(tmp_path / "run", resume=True)).iter == 12


def test_best_checkpoint_is_replaced_after_the_new_one_is_there(tmp_path):
    hook = atomic_checkpoint.AtomicCheckpointHook(interval=1, by_epoch=False, save_best="acc")
    runner = run_toy(config(tmp_path / "run", max_iters=3))
    hook.before_train(runner)
    seen = []
    save = runner.save_checkpoint

    def recorded(*args, **kwargs):
        save(*args, **kwargs)
        seen.append([n for n in names(tmp_path / "run") if n.startswith("best")])

    runner.save_checkpoint = recorded
    hook._save_best_checkpoint(runner, dict(acc=0.5))
    runner.train_loop._iter += 1
    hook._save_best_checkpoint(runner, dict(acc=0.6))
    assert seen == [["best_acc_iter_3.pth"], ["best_acc_iter_3.pth", "best_acc_iter_4.pth"]]
    assert [n for n in names(tmp_path / "run") if n.startswith("best")] == ["best_acc_iter_4.pth"]
    hook._save_best_checkpoint(runner, dict(acc=0.7))  # the same step again
    assert [n for n in names(tmp_path / "run") if n.startswith("best")] == ["best_acc_iter_4.pth"]


def test_leftovers_go_and_other_files_stay(tmp_path):
    for name in (".iter_3.pth.123.writing", "iter_3.pth", ".hidden"):
        (tmp_path / name).touch()
    assert [p.name for p in remove_leftovers(tmp_path)] == [".iter_3.pth.123.writing"]
    assert names(tmp_path) == [".hidden", "iter_3.pth"]
    assert remove_leftovers(tmp_path / "missing") == []


def write_slowly(path, pause, go_on):
    real = os.fsync

    def wait(descriptor):
        os.fsync = real
        pause.set()
        go_on.wait(60)

    os.fsync = wait
    write_atomically(b"whole", path)


def test_what_a_living_process_writes_stays_and_what_a_dead_one_left_goes(tmp_path):
    context = multiprocessing.get_context("fork")
    for killed in (False, True):
        pause, go_on = context.Event(), context.Event()
        process = context.Process(target=write_slowly, args=(tmp_path / "a", pause, go_on))
        process.start()
        assert pause.wait(60)
        assert len(list(tmp_path.glob(".a.*.writing"))) == 1
        assert remove_leftovers(tmp_path) == [], "it is being written"
        if killed:
            process.kill()
            process.join(60)
            assert len(remove_leftovers(tmp_path)) == 1 and names(tmp_path) == ["a"]
        else:
            go_on.set()
            process.join(60)
            assert process.exitcode == 0 and names(tmp_path) == ["a"]
            assert (tmp_path / "a").read_bytes() == b"whole"


def test_only_a_training_cleans_up(tmp_path):
    left = tmp_path / "run" / ".iter_3.pth.123.writing"
    left.parent.mkdir()
    left.touch()
    hook = atomic_checkpoint.AtomicCheckpointHook(interval=1, by_epoch=False)
    test = Namespace(_train_loop=dict(), work_dir=str(left.parent), _resume=True, _load_from=None)
    hook.before_run(test)
    assert left.exists()
    run_toy(config(left.parent, max_iters=1))
    assert not left.exists()


def test_a_best_checkpoint_elsewhere_is_not_deleted(tmp_path):
    # Its path comes out of the checkpoint that is resumed.
    cfg = config(tmp_path / "run", max_iters=2, interval=1)
    cfg["default_hooks"]["checkpoint"]["save_best"] = "acc"
    run_toy(cfg)
    mine = tmp_path / "mine.pth"
    mine.write_text("a file of somebody's")
    path = tmp_path / "run" / "iter_2.pth"
    content = torch.load(path, weights_only=False)
    content["message_hub"]["runtime_info"].update(best_ckpt=str(mine), best_score=0.1)
    content["message_hub"]["resumed_keys"].update(best_ckpt=True, best_score=True)
    torch.save(content, path)
    runner = run_toy(dict(cfg, train_cfg=dict(by_epoch=False, max_iters=3), resume=True))
    hook = next(h for h in runner.hooks if isinstance(h, atomic_checkpoint.AtomicCheckpointHook))
    assert hook.best_ckpt_path is None
    hook._save_best_checkpoint(runner, dict(acc=0.9))
    assert mine.exists()
