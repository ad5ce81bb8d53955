import pytest
import torch
from engine_toy import read_record, run_toy, toy_config
from mmengine.hooks import Hook


class BatchIndices(Hook):
    def __init__(self):
        self.seen, self.epochs = [], 0

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen.append((runner.epoch, batch_idx))

    def after_train_epoch(self, runner):
        self.epochs += 1


class Stop(Exception):
    pass


class StopAfter(Hook):
    """Ends the training as a crash would, after the checkpoint of that iteration."""

    priority = "LOWEST"

    def __init__(self, iterations):
        self.iterations = iterations

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iterations:
            raise Stop


def epoch_config(work_dir, interval, hooks=(), **kwargs):
    torch.set_num_threads(1)
    config = toy_config(work_dir, **kwargs)  # 23 samples, batch 4: 6 iterations an epoch
    config["train_cfg"] = dict(type="ResumableEpochBasedTrainLoop", max_epochs=3)
    config["train_dataloader"]["sampler"] = dict(type="KeyedDefaultSampler")
    config["default_hooks"]["checkpoint"]["interval"] = interval
    config["custom_hooks"] = [dict(type="KeyedRandomnessHook"), *hooks]
    return config


@pytest.mark.parametrize("stop, num_workers", [(4, 0), (6, 0), (8, 0), (8, 2), (12, 0)])
def test_resume_inside_an_epoch(tmp_path, stop, num_workers):
    common = dict(num_workers=num_workers)
    indices = BatchIndices()
    whole = run_toy(
        epoch_config(tmp_path / "a", stop, [indices], record=tmp_path / "a.txt", **common)
    )
    common["record"] = tmp_path / "b.txt"
    first, second = BatchIndices(), BatchIndices()
    with pytest.raises(Stop):
        run_toy(epoch_config(tmp_path / "b", stop, [first, StopAfter(stop)], **common))
    resumed = run_toy(epoch_config(tmp_path / "b", stop, [second], resume=True, **common))
    assert resumed.iter == 18 and resumed.epoch == 3
    assert first.seen + second.seen == indices.seen
    assert first.epochs + second.epochs == indices.epochs == 3
    assert read_record(tmp_path / "a.txt") == read_record(tmp_path / "b.txt")
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_errors_of_a_resume(tmp_path):
    with pytest.raises(Stop):
        run_toy(epoch_config(tmp_path / "run", 4, [StopAfter(4)]))
    config = epoch_config(tmp_path / "run", 4, resume=True)
    config["train_dataloader"]["sampler"] = dict(type="DefaultSampler")
    with pytest.raises(ValueError, match="DefaultSampler cannot skip.*KeyedDefaultSampler"):
        run_toy(config)
    config = epoch_config(tmp_path / "run", 4, resume=True, batch_size=12)
    with pytest.raises(ValueError, match="does not fit epochs of 2 iterations"):
        run_toy(config)
