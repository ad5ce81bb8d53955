import json
import math

import pytest
import torch
from engine_toy import EngineToyModel, run_toy, toy_config
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import HOOKS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

import mmasg.optim.layer_groups  # noqa: F401
from mmasg.guard.non_finite import NonFiniteLossError, NonFiniteLossHook
from mmasg.guard.step_dump import load_step_dump, replay_step


@MODELS.register_module(force=True)
class SpoiltToyModel(EngineToyModel):
    """Gives a bad second loss, or a bad gradient under a finite loss, in chosen calls."""

    def __init__(self, bad=(), how="loss", **kwargs):
        super().__init__(**kwargs)
        self.norm = nn.BatchNorm1d(2)
        self.bad, self.how, self.calls = bad, how, 0

    def forward(self, inputs, data_samples=None, mode="tensor"):
        if mode != "loss":
            return super().forward(inputs, data_samples, mode)
        stacked = torch.stack(list(inputs))
        self.calls += 1
        spoilt = self.calls in self.bad
        factor = self.norm(stacked).square().mean()
        losses = super().forward(inputs, data_samples, mode)
        weight = self.backbone.weight
        if spoilt and self.how == "loss":
            factor = factor * float("inf")
        if spoilt and self.how == "gradient":
            factor = factor + (weight - weight.detach()).square().sum().sqrt()  # 0 / 0
        losses["loss_aux"] = [factor * 0.1, weight.square().sum()]
        losses["raw"] = factor.detach()
        return losses


@HOOKS.register_module(force=True)
class Weights(Hook):
    """Keeps weights and buffers as they are at the start of each iteration."""

    def __init__(self):
        self.at = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.at.append({k: v.clone() for k, v in runner.model.state_dict().items()})


def config(work_dir, bad=(), how="loss", hooks=(), max_iters=6, **hook):
    torch.set_num_threads(1)
    config = toy_config(work_dir, max_iters=max_iters)
    config["model"] = dict(type="SpoiltToyModel", bad=bad, how=how)
    config["optim_wrapper"].update(
        constructor="LayerGroupOptimWrapperConstructor",
        paramwise_cfg=dict(
            groups=[
                dict(name="body", patterns=["backbone.*"], lr_mult=0.1),
                dict(name="rest", rest=True),
            ]
        ),
    )
    config["custom_hooks"] = [
        dict(type="KeyedRandomnessHook"),
        dict(type="NonFiniteLossHook", **hook),
        *hooks,
    ]
    return config


def same(a, b):
    return all(torch.equal(a[k], b[k]) for k in a)


def test_stop_names_everything_and_leaves_the_weights(tmp_path):
    weights = Weights()
    with pytest.raises(NonFiniteLossError) as caught:
        run_toy(config(tmp_path / "run", bad=[4], hooks=[weights]))
    message = str(caught.value)
    assert message.startswith("Iteration 4 (epoch 1): the loss is not finite.\n")
    assert "loss_aux inf" in message and "loss_task 0." in message and "raw inf" in message
    assert "  body: rate 0.00" in message and "  rest: rate 0.0" in message
    assert "gradient norm nan" in message and "tools/replay_step.py" in message
    dump = load_step_dump(tmp_path / "run" / "non_finite_iter_4_rank0.pth")
    # The state before the step: BatchNorm's statistics of before the forward pass included.
    assert same(dump["state_dict"], weights.at[3])
    assert not same(weights.at[3], weights.at[2])
    assert dump["iter"] == 3 and math.isinf(dump["losses"]["loss_aux"])
    assert [g["name"] for g in dump["groups"]] == ["body", "rest"]
    assert dump["groups"][0]["lr"] == pytest.approx(0.1 * dump["groups"][1]["lr"])


def test_a_finite_loss_with_a_bad_gradient(tmp_path):
    with pytest.raises(NonFiniteLossError, match="the loss is finite, its gradient is not"):
        run_toy(config(tmp_path / "run", bad=[2], how="gradient"))
    runner = run_toy(
        config(tmp_path / "off", bad=[2], how="gradient", check_gradients=False, max_iters=2)
    )
    assert not runner.model.backbone.weight.isfinite().all()


def test_replay_gives_the_same_losses_and_gradients(tmp_path):
    # A step that is finite, dumped by a hook of the test: equality can be seen.
    from mmasg.guard import step_dump

    class Dump(NonFiniteLossHook):
        def _all_finite(self, gradients):
            return super()._all_finite(gradients) and self._pending[0]["iter"] != 3

    HOOKS.register_module(module=Dump, name="DumpFourth", force=True)
    cfg = config(tmp_path / "run")
    cfg["custom_hooks"][1] = dict(type="DumpFourth")
    gradients = {}
    original = step_dump.write_step_dump

    def write(runner, path, step):
        gradients.update({n: p.grad.clone() for n, p in runner.model.named_parameters()})
        return original(runner, path, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmasg.guard.non_finite.write_step_dump", write)
        with pytest.raises(NonFiniteLossError):
            run_toy(cfg, with_cfg=True)
    path = tmp_path / "run" / "non_finite_iter_4_rank0.pth"
    result = replay_step(path, drop_hooks=("DumpFourth",))
    assert result["iter"] == 3
    assert result["losses"] == result["dumped_losses"] and len(result["losses"]) == 3
    assert result["gradients"].keys() == gradients.keys()
    assert same(gradients, result["gradients"])
    assert result["groups"] == load_step_dump(path)["groups"]


def test_skip_leaves_the_step_out_and_counts(tmp_path):
    weights = Weights()
    runner = run_toy(config(tmp_path / "run", bad=[2, 3, 5], hooks=[weights], action="skip"))
    at = weights.at
    changed = [not same(a, b) for a, b in zip(at, at[1:], strict=False)]
    assert changed == [True, False, False, True, False]
    assert runner.message_hub.get_info("non_finite_steps") == 3
    assert all(v.isfinite().all() for v in runner.model.state_dict().values())
    saved = torch.load(tmp_path / "run" / "iter_6.pth", weights_only=False)
    assert saved["message_hub"]["runtime_info"]["non_finite_steps"] == 3
    assert not list((tmp_path / "run").glob("non_finite*"))
    # Detached: a later step of this optimizer is not guarded.
    runner.model.backbone.weight.grad = torch.full_like(runner.model.backbone.weight, torch.inf)
    runner.optim_wrapper.optimizer.step()
    assert not runner.model.backbone.weight.isfinite().any()


def test_other_hooks_see_the_last_good_losses(tmp_path):
    seen = []

    class Reader(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            seen.append({k: float(v) for k, v in outputs.items()})

    common = dict(bad=[3, 6], action="skip")
    run_toy(config(tmp_path / "run", hooks=[Reader()], **common))
    assert seen[2]["loss"] == seen[1]["loss"] and seen[2]["loss_aux"] == seen[1]["loss_aux"]
    assert seen[5]["loss"] == seen[4]["loss"] != seen[3]["loss"]
    # A run resumed right before a bad step knows the good losses from the checkpoint.
    first = config(tmp_path / "b", max_iters=5, bad=[3], action="skip")
    first["default_hooks"]["checkpoint"]["interval"] = 5
    run_toy(first)
    run_toy(config(tmp_path / "b", hooks=[Reader()], bad=[1], action="skip") | dict(resume=True))
    assert seen[6] == seen[5]


def test_the_log_holds_no_mean_of_what_was_left_out(tmp_path):
    # The very first step too, of which no good loss is known; and the norm that clipping logs.
    cfg = config(tmp_path / "run", bad=[1, 4], action="skip")
    cfg["optim_wrapper"]["clip_grad"] = dict(max_norm=1.0)
    hub = run_toy(cfg).message_hub
    for name in ("loss", "loss_aux", "raw", "grad_norm"):
        history, counts = hub.get_scalar(f"train/{name}").data
        assert len(history) == (4 if name == "grad_norm" else 5), name
        assert all(map(math.isfinite, history)) and len(counts) == len(history), name


def test_no_batch_is_kept_after_its_iteration(tmp_path):
    alive = []

    class Kept(Hook):
        priority = "LOWEST"

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            (hook,) = [h for h in runner.hooks if isinstance(h, NonFiniteLossHook)]
            alive.append(any(b is data_batch["inputs"] for b in held(vars(hook))))

    run_toy(config(tmp_path / "run", hooks=[Kept()]))
    assert alive == [False] * 6


def held(value):
    """Everything inside a hook's attributes."""
    yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list, tuple)):
            yield from held(inner)


class TwoOptimizers:
    """Builds an optimizer for each half of the toy."""

    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        self.counts = optim_wrapper_cfg["accumulative_counts"]

    def __call__(self, model):
        return OptimWrapperDict(
            **{
                name: OptimWrapper(torch.optim.SGD(part.parameters(), 0.05), self.counts)
                for name, part in (("body", model.backbone), ("top", model.head))
            }
        )


OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=TwoOptimizers, force=True)


@MODELS.register_module(force=True)
class TwoStepModel(SpoiltToyModel):
    """Makes two steps an iteration, one with each optimizer."""

    def train_step(self, data, optim_wrapper):
        data = self.data_preprocessor(data, True)
        losses, log = self.parse_losses(self(**data, mode="loss"))
        optim_wrapper["body"].update_params(losses)
        optim_wrapper.zero_grad()
        losses, log = self.parse_losses(self(**data, mode="loss"))
        optim_wrapper["top"].update_params(losses)
        return log


def two_optimizers(folder, **kwargs):
    cfg = config(folder, **kwargs)
    cfg["model"]["type"] = "TwoStepModel"
    cfg["optim_wrapper"] = dict(constructor="TwoOptimizers", accumulative_counts=1)
    cfg["param_scheduler"] = None
    return cfg


def test_several_optimizers_are_guarded(tmp_path):
    weights = Weights()
    runner = run_toy(two_optimizers(tmp_path / "run", bad=[3, 10], hooks=[weights], action="skip"))
    names = [n for n, _ in runner.model.named_parameters() if "norm" not in n]
    at = [{n: w[n] for n in names} for w in weights.at] + [
        {n: p for n, p in runner.model.named_parameters() if n in names}
    ]
    # Calls 3 and 10 of the model are iterations 2 (its first step) and 5 (its second).
    body = [not torch.equal(a["backbone.weight"], b["backbone.weight"]) for a, b in pairs(at)]
    top = [not torch.equal(a["head.weight"], b["head.weight"]) for a, b in pairs(at)]
    assert body == [True, False, True, True, True, True]
    assert top == [True, False, True, True, False, True]
    assert runner.message_hub.get_info("non_finite_steps") == 2
    with pytest.raises(NonFiniteLossError, match=r"  body\.0: rate 0\.05.*\n  top\.0: rate 0\.05"):
        run_toy(two_optimizers(tmp_path / "stop", bad=[3]))


def pairs(items):
    return zip(items, items[1:], strict=False)


def test_skipping_without_end_stops(tmp_path):
    with pytest.raises(NonFiniteLossError, match="2 steps in a row were left out: stopping"):
        run_toy(config(tmp_path / "run", bad=[2, 4, 5], action="skip", max_consecutive=2))


def test_accumulated_step_is_left_out_as_a_whole(tmp_path):
    weights = Weights()
    cfg = config(tmp_path / "run", bad=[3], hooks=[weights], action="skip")
    cfg["optim_wrapper"]["accumulative_counts"] = 2
    run_toy(cfg)
    parameters = [{k: v for k, v in w.items() if "norm" not in k} for w in weights.at]
    changed = [not same(a, b) for a, b in zip(parameters, parameters[1:], strict=False)]
    assert changed == [False, True, False, False, False]


def test_nothing_changes_while_all_is_finite(tmp_path):
    guarded = run_toy(config(tmp_path / "a"))
    cfg = config(tmp_path / "b")
    del cfg["custom_hooks"][1]
    assert same(guarded.model.state_dict(), run_toy(cfg).model.state_dict())


def test_wrong_arguments_and_files(tmp_path):
    with pytest.raises(ValueError, match="action: got 'ignore'; allowed: 'stop' or 'skip'"):
        NonFiniteLossHook(action="ignore")
    with pytest.raises(ValueError, match="max_consecutive: got 0; allowed: an integer"):
        NonFiniteLossHook(max_consecutive=0)
    with pytest.raises(FileNotFoundError, match="no dump of a training step at"):
        load_step_dump(tmp_path / "missing.pth")
    (tmp_path / "text.pth").write_text(json.dumps({}))
    with pytest.raises(ValueError, match="text.pth is no dump of a training step"):
        load_step_dump(tmp_path / "text.pth")
    torch.save(dict(state_dict={}), tmp_path / "other.pth")
    with pytest.raises(ValueError, match="non_finite_iter_"):
        load_step_dump(tmp_path / "other.pth")
    with pytest.raises(NonFiniteLossError):
        run_toy(config(tmp_path / "run", bad=[1]))
    with pytest.raises(ValueError, match="holds no config"):
        replay_step(tmp_path / "run" / "non_finite_iter_1_rank0.pth")
