import pytest
import torch
from l2o_toy import toy_config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner

pytest.importorskip("pytorch_optimizer", reason="needs: pip install mmasg[rates]")


class NoMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {}


class Weights(Hook):
    """The model's weights in every validation, and after every iteration."""

    priority = "LOWEST"

    def __init__(self):
        self.validated, self.trained = [], []

    def before_val_epoch(self, runner):
        self.validated.append(flat(runner.model))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.trained.append(flat(runner.model))


def flat(model):
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


def runner(folder, kind="ScheduleFreeSGD", hooks=("ScheduleFreeHook",), val=0, every=4, **more):
    named = ("KeyedRandomnessHook", "TrainingCheckHook", *hooks)
    config = toy_config(folder, max_iters=8, custom_hooks=[dict(type=n) for n in named], **more)
    config.optim_wrapper.optimizer = dict(type=kind, lr=0.1)
    config.param_scheduler = None
    config.default_hooks.checkpoint.interval = every
    config.train_dataloader.sampler = dict(type="KeyedInfiniteSampler")
    if val:
        config.train_cfg.val_interval = val
        config.val_cfg = dict(type="ValLoop")
        config.val_dataloader = dict(config.train_dataloader, sampler=dict(type="DefaultSampler"))
        config.val_evaluator = dict(type=NoMetric)
    config.pop("custom_imports")
    made = Runner(**config.to_dict())
    seen = Weights()
    made.register_hook(seen)
    made.train()
    return made, seen


def test_validation_and_checkpoints_hold_the_average_and_change_nothing(tmp_path):
    plain, without = runner(tmp_path / "plain", every=1000)
    model, seen = runner(tmp_path / "whole", val=2)
    # Neither validating nor saving is seen in the training, to the last bit.
    assert torch.equal(torch.stack(seen.trained), torch.stack(without.trained))
    # Defazio et al. 2024, eq. 5 to 7: y = (1 - beta) z + beta x; gradients are taken at y.
    state = torch.load(tmp_path / "whole/iter_4.pth", weights_only=False)
    saved = torch.cat([state["state_dict"][n].flatten() for n, _ in model.model.named_parameters()])
    assert torch.equal(saved, seen.validated[1])
    z = torch.cat([state["optimizer"]["state"][i]["z"].flatten() for i in range(8)])
    torch.testing.assert_close(0.1 * z + 0.9 * saved, seen.trained[3], rtol=1e-5, atol=1e-6)
    assert (saved - seen.trained[3]).abs().max() > 1e-3
    # After the training the model is the average, as the last checkpoint has it.
    assert torch.equal(flat(model.model), seen.validated[-1])
    assert torch.equal(flat(model.model), flat(plain.model))
    rest, again = runner(tmp_path / "rest", val=2, load_from=str(tmp_path / "whole/iter_4.pth"),
                         resume=True)  # fmt: skip
    assert torch.equal(torch.stack(again.trained), torch.stack(seen.trained[4:]))
    assert torch.equal(flat(rest.model), flat(model.model))


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="with ScheduleFreeHook, as ScheduleFreeSGD trains one"):
        runner(tmp_path / "a", hooks=())
    with pytest.raises(ValueError, match="optimizer.type: got 'SGD'; allowed: a schedule-free"):
        runner(tmp_path / "b", kind="SGD")
    with pytest.raises(ValueError, match="custom_hooks: got 'EMAHook'; allowed: ScheduleFreeHook"):
        runner(tmp_path / "c", hooks=("ScheduleFreeHook", "EMAHook"))
