import json
from pathlib import Path

import pytest
import torch
from l2o_toy import GROUPS, toy_config, toy_runner
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmasg.l2o import (
    GroupPolicy,
    GroupPolicyHook,
    GroupRates,
    build_group_policy,
    save_group_policy,
)
from mmasg.l2o.group_policy import GROUP_INPUTS, RUN_INPUTS
from mmasg.optim import RelativeStepHook

NEW = dict(type="GroupPolicy")


def hooks_of(runner, kind=GroupPolicyHook):
    return next(hook for hook in runner.hooks if isinstance(hook, kind))


def runner_with(folder, *hooks, **kwargs):
    return toy_runner(folder, max_iters=kwargs.pop("max_iters", 12), custom_hooks=hooks, **kwargs)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A policy that decides something else for every observation."""
    torch.manual_seed(3)
    policy = GroupPolicy(hidden_size=8)
    torch.nn.init.normal_(policy.head.weight)
    path = tmp_path_factory.mktemp("policy") / "trained.pth"
    save_group_policy(policy, path)
    return str(path)


def test_an_untrained_policy_is_the_fixed_rule_bit_for_bit(tmp_path):
    ends = []
    for hooks in ([dict(type="RelativeStepHook")], [dict(type="GroupPolicyHook", policy=NEW)]):
        runner = runner_with(tmp_path, *hooks)
        runner.train()
        ends.append(runner.model.state_dict())
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name


class Recorder(Hook):
    """What an observation is made of, step by step."""

    priority = "VERY_LOW"

    def __init__(self):
        self.gradients, self.losses, self.weights = [], [], []

    def before_train(self, runner):
        self.layers = [runner.model.first, runner.model.second, runner.model.last]
        runner.optim_wrapper.optimizer.register_step_pre_hook(lambda *_: self._take(runner))

    def _take(self, runner):
        model = runner.model
        groups = [[model.first], [model.second], [model.norm, model.last]]
        params = [[p for layer in group for p in layer.parameters()] for group in groups]
        norm = torch.nn.utils.get_total_norm
        self.gradients.append([norm([p.grad for p in group]).item() for group in params])
        self.weights.append([norm(group).item() for group in params])
        if not hasattr(self, "flat"):
            self.flat = []
        self.flat.append([layer.weight.grad.flatten().clone() for layer in self.layers])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        losses = [outputs["loss_ce"] + outputs["loss_extra"], outputs["kl_imagenet"]]
        self.losses.append([loss.item() for loss in losses])


def test_what_the_policy_sees_and_what_it_sets(tmp_path, trained):
    runner = runner_with(
        tmp_path,
        dict(type="RelativeStepHook", body=1e-3, head=1e-2),
        dict(type="GroupPolicyHook", policy=trained, window=4),
    )
    hook, recorder = hooks_of(runner), Recorder()
    seen, fractions = [], []
    hook.policy.register_forward_pre_hook(
        lambda _, args: seen.append([a.clone() for a in args[:2]])
    )
    runner.register_hook(recorder)
    relative = hooks_of(runner, RelativeStepHook)
    runner.register_hook(_Each(lambda: fractions.append(list(relative.fractions.values()))))
    runner.train()
    assert len(seen) == 2  # none after the last window
    mean = lambda rows: torch.tensor(rows, dtype=torch.float64).mean(0)  # noqa: E731
    ratios = []
    for number in range(2):
        part = slice(4 * number, 4 * number + 4)
        ratio = (mean(recorder.gradients[part]) / mean(recorder.weights[part])).log()
        ratios.append(ratio)
        groups, run = (
            dict(zip(n, t[0].T, strict=True))
            for n, t in zip((GROUP_INPUTS, RUN_INPUTS), seen[number], strict=True)
        )
        close = dict(rtol=1e-5, atol=1e-5, check_dtype=False)  # float32 against float64
        torch.testing.assert_close(groups["depth"], torch.tensor([0.0, 0.5, 1.0]))
        torch.testing.assert_close(groups["new"], torch.tensor([0.0, 0.0, 1.0]))
        torch.testing.assert_close(groups["gradient_share"], ratio - ratio.mean(), **close)
        torch.testing.assert_close(
            groups["gradient_change"], ratio - ratios[max(number - 1, 0)], **close
        )
        steps = mean(fractions[part])
        torch.testing.assert_close(groups["log_step"], (steps / 1e-3).log(), **close)
        flat = recorder.flat
        agreement = mean(
            [
                [
                    0.0 if i == 0 else float(torch.cosine_similarity(a, b, dim=0))
                    for a, b in zip(flat[i], flat[i - 1], strict=True)
                ]
                for i in range(4 * number, 4 * number + 4)
            ]
        )
        # Of a group's tensors with more than one dimension: here its one layer's weight.
        torch.testing.assert_close(groups["gradient_agreement"], agreement, **close)
        losses, first = mean(recorder.losses[part]), mean(recorder.losses[:4])
        assert float(run["task_loss"]) == pytest.approx(float((losses / first)[0].log()), abs=1e-5)
        assert float(run["kl"]) == pytest.approx(float((losses[1] / 0.1).log()), abs=1e-5)
        assert run["guided"] == 1 and run["progress"] == pytest.approx((number + 1) / 3)
        assert groups["task_kl_agreement"].abs().min() > 0
    # Windows 2 and 3 at the policy's multipliers, on top of fraction and schedule.
    schedule = [(1 - i / 11) ** 0.9 for i in range(12)]
    state, multipliers = None, [[1.0] * 3]
    for inputs in list(seen):  # the policy is watched on
        chosen, state = hook.policy.decide(*inputs, state)
        multipliers.append(chosen)
    assert multipliers[1] != [1.0] * 3 and multipliers[2] != multipliers[1]
    for i, row in enumerate(fractions):
        wanted = [
            m * rho * schedule[i]
            for m, rho in zip(multipliers[i // 4], (1e-3, 1e-3, 1e-2), strict=True)
        ]
        assert row == pytest.approx(wanted, rel=1e-5)
    rows = [json.loads(line) for line in log_of(runner).read_text().splitlines()]
    logged = [[row[f"lr_mult/{n}"] for n in GROUPS] for row in rows if "group_policy/kl" in row]
    assert logged[:2] == [pytest.approx(m) for m in multipliers[1:]]
    assert any("relative_step/rest" in row for row in rows)


class _Each(Hook):
    def __init__(self, call):
        self.call = call

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.call()


def log_of(runner):
    return Path(runner.log_dir) / "vis_data" / f"{runner.timestamp}.json"


def test_a_run_resumed_within_a_window_goes_on_to_the_same_bits(tmp_path, trained):
    hooks = [
        dict(type="GroupPolicyHook", policy=trained, window=4, mode="sample"),
        dict(type="KeyedRandomnessHook"),
    ]

    def config(folder, **more):
        made = toy_config(tmp_path / folder, max_iters=12, custom_hooks=hooks, **more)
        made.default_hooks.checkpoint.interval = 6
        made.train_dataloader.sampler = dict(type="KeyedInfiniteSampler")
        made.optim_wrapper.accumulative_counts = 2
        return made

    whole = Runner.from_cfg(config("whole"))
    whole.train()
    path = str(tmp_path / "whole" / "iter_6.pth")
    rest = Runner.from_cfg(config("rest", load_from=path, resume=True))
    rest.train()
    assert hooks_of(rest).rates.multipliers == hooks_of(whole).rates.multipliers != [1.0] * 3
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[name]), name


def test_no_finite_window_leaves_the_rates(tmp_path, trained, caplog):
    runner = runner_with(
        tmp_path,
        dict(type="GroupPolicyHook", policy=trained, window=3),
        model=dict(type="ToyNet", explode_at=5),
        max_iters=9,
    )
    runner.logger.addHandler(caplog.handler)
    runner.train()
    assert "the policy is not asked" in caplog.text
    assert hooks_of(runner).rates.multipliers != [1.0] * 3  # those of the first, finite window


def test_errors(tmp_path, trained):
    with pytest.raises(ValueError, match="GroupPolicyHook.mode: got 'maen'.*Did you mean 'mean'"):
        GroupPolicyHook(NEW, mode="maen")
    with pytest.raises(ValueError, match="mini.pth: meta.kind: got None; allowed: 'GroupPolicy'"):
        runner_with(tmp_path, dict(type="GroupPolicyHook", policy="mini")).train()
    with pytest.raises(ValueError, match="policy.type: got 'LSTMPolicy'"):
        build_group_policy(dict(type="LSTMPolicy"))
    with pytest.raises(TypeError, match="policy: got 3; allowed: a packaged policy's name"):
        build_group_policy(3)
    lone = torch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="GroupPolicyHook sets the rates of layer groups, but"):
        GroupRates(torch.optim.SGD([lone], lr=0.1), "GroupPolicyHook")
