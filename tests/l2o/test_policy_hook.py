import json
import math
from pathlib import Path

import pytest
import seg_toy
import torch
from l2o_toy import GROUPS, policy_hook, toy_config, toy_runner
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmasg.l2o import LSTMPolicy

POLICY = dict(type="LSTMPolicy", num_groups=3)


class Recorder(Hook):
    """Writes down what the policy's observation is made of."""

    def __init__(self):
        self.rows, self.step_rates, self.weights, self.scheduled = [], [], [], []

    def before_train(self, runner):
        optimizer = runner.optim_wrapper.optimizer
        optimizer.register_step_pre_hook(
            lambda o, *_: self.step_rates.append([g["lr"] for g in o.param_groups])
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.scheduled.append([g["lr"] for g in runner.optim_wrapper.optimizer.param_groups])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        weight = runner.model.last.weight.detach()
        self.rows.append(
            [
                outputs["loss_ce"].item() + outputs["loss_extra"].item(),
                outputs["kl_imagenet"].item(),
                runner.iter / runner.max_iters,
                float(weight.mean()),
                float(weight.std()),
            ]
        )
        self.weights.append({k: v.clone() for k, v in runner.model.state_dict().items()})


def run(work_dir, recorder=None, **kwargs):
    runner = toy_runner(work_dir, **kwargs)
    if recorder is not None:
        runner.register_hook(recorder, priority="VERY_LOW")
    runner.train()
    return runner


def watch(policy):
    """Observations that the policy is asked about."""
    seen = []
    policy.register_forward_pre_hook(lambda _, args: seen.append(args[0][0].clone()))
    return seen


def test_observations_windows_and_rates(tmp_path):
    window = dict(min_iters=3, growth=4, iters_per_epoch=12)
    runner = toy_runner(tmp_path, hook=dict(policy=POLICY, window=window), max_iters=24)
    seen, recorder = watch(policy_hook(runner).policy), Recorder()
    runner.register_hook(recorder, priority="VERY_LOW")
    runner.train()
    # By hand: 3, 3, 6 in the first epoch (it ends at 12); then 12 // 4 = 3, 3 + 3 = 6, and 3.
    ends = [3, 6, 12, 15, 21, 24]
    assert len(seen) == len(ends) - 1  # none after the last window
    begin = 0
    for end, observation in zip(ends[:-1], seen, strict=True):
        expected = torch.tensor(recorder.rows[begin:end], dtype=torch.float64).mean(0)
        # float32 inputs on both sides; the means themselves are float64
        torch.testing.assert_close(observation[:5], expected.float(), rtol=1e-5, atol=1e-7)
        begin = end
    torch.testing.assert_close(seen[0][5:], torch.ones(3))
    begin = 0
    for index, end in enumerate(ends):
        for i in range(begin, end):
            if index < len(seen):
                scheduled = torch.tensor(recorder.scheduled[i])
                torch.testing.assert_close(
                    torch.tensor(recorder.step_rates[i]),
                    seen[index][5:] * scheduled,
                    rtol=1e-6,
                    atol=0,
                )
        begin = end
    # The schedule is untouched: polynomial in closed form, whatever was multiplied.
    for i, rates in enumerate(recorder.scheduled):
        assert rates == pytest.approx([0.1 * (1 - i / 23) ** 0.9] * len(rates), rel=1e-6)


def test_group_at_zero_stands_still_for_the_whole_window(tmp_path):
    recorder = Recorder()
    runner = run(
        tmp_path,
        recorder,
        hook=dict(policy=None, mode="random", multipliers=(0.0, 1.0), window=4, seed=1),
    )
    log = [line for line in read_log(runner) if "lr_mult/first" in line and line["step"] % 4 == 0]
    assert len({line["lr_mult/first"] for line in log}) == 2
    for line in log[:-1]:
        at = line["step"]
        for name in ("first", "second"):
            same = [
                torch.equal(recorder.weights[i][f"{name}.weight"], before[f"{name}.weight"])
                for i in range(max(at, 1), at + 4)
                for before in [recorder.weights[i - 1]]
            ]
            assert same == [line[f"lr_mult/{name}"] == 0] * len(same)


def read_log(runner):
    path = Path(runner.log_dir) / "vis_data" / f"{runner.timestamp}.json"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_log(tmp_path, capfd):
    runner = run(tmp_path, hook=dict(policy=POLICY, window=6), log_level="INFO")
    lines = [line for line in read_log(runner) if "lr_mult/first" in line]
    decisions = [line for line in lines if "lr_policy/entropy/first" in line]
    assert [line["step"] for line in decisions] == [6, 12, 18]
    assert {line["step"] for line in lines} == {0, 4, 6, 8, 12, 16, 18, 20, 24}
    line = decisions[0]
    assert {f"lr_policy/obs/{k}" for k in ("task_loss", "kl", "progress", "weight_mean")} <= set(
        line
    )
    assert line["lr_policy/obs/progress"] == pytest.approx((0 + 1 + 2 + 3 + 4 + 5) / 6 / 24)
    for name in GROUPS:
        assert 0 < line[f"lr_policy/entropy/{name}"] <= math.log(11) + 1e-6
        assert line[f"lr/{name}"] == pytest.approx(
            line[f"lr_mult/{name}"] * 0.1 * (1 - 5 / 23) ** 0.9
        )
    console = capfd.readouterr()
    text = console.out + console.err
    assert text.count("Layer-wise rates from iteration") == 3
    assert "lr_mult/first" not in text.replace(str(runner.cfg.pretty_text), "")


@pytest.mark.parametrize("stop", [2, 10, 12])
@pytest.mark.parametrize("by_epoch", [False, True])
def test_resume_is_exact(tmp_path, stop, by_epoch):
    if by_epoch and stop % 6:
        stop = 6
    window = dict(min_iters=4, growth=3, iters_per_epoch=None if by_epoch else 16)
    hook = dict(policy=POLICY, window=window)
    checkpoints = dict(
        checkpoint=dict(
            type="CheckpointHook", interval=stop // 6 if by_epoch else stop, by_epoch=by_epoch
        ),
        logger=dict(type="LoggerHook", interval=4),
    )
    first = run(tmp_path / "a", hook=hook, default_hooks=checkpoints, by_epoch=by_epoch)
    name = f"epoch_{stop // 6}.pth" if by_epoch else f"iter_{stop}.pth"
    torch.manual_seed(99)  # another new policy; the checkpoint's is the one that counts
    second = Runner.from_cfg(
        toy_config(
            tmp_path / "b",
            hook=hook,
            by_epoch=by_epoch,
            load_from=str(tmp_path / "a" / name),
            resume=True,
        )
    )
    second.train()
    a, b = policy_hook(first), policy_hook(second)
    assert a.decisions == b.decisions > 1
    assert a.rates.multipliers == b.rates.multipliers
    assert torch.equal(a.generator.get_state(), b.generator.get_state())
    for key, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key


def test_accumulation_and_clipping(tmp_path):
    recorder = Recorder()
    config = toy_config(tmp_path, hook=dict(policy=POLICY, window=5), max_iters=21)
    config.optim_wrapper.accumulative_counts = 3
    config.optim_wrapper.clip_grad = dict(max_norm=0.5)
    runner = Runner.from_cfg(config)
    runner.register_hook(recorder, priority="VERY_LOW")
    runner.train()
    assert policy_hook(runner).decisions == 4
    assert len(recorder.step_rates) == 7  # rates are multiplied at real steps only
    for i, rates in enumerate(recorder.scheduled):
        assert rates == pytest.approx([0.1 * (1 - i / 20) ** 0.9] * len(rates), rel=1e-6)


def test_modes(tmp_path):
    def multipliers(name, **kwargs):
        runner = run(tmp_path / name, hook=dict(window=4, **kwargs))
        lines = [x for x in read_log(runner) if "lr_mult/first" in x and x["step"] % 4 == 0]
        return [[line[f"lr_mult/{g}"] for g in GROUPS] for line in lines]

    fixed = multipliers("fixed", policy=None, mode="fixed")
    assert all(row == fixed[0] for row in fixed)
    random = multipliers("random", policy=POLICY, mode="random")
    assert len({tuple(row) for row in random}) > 3
    assert random == multipliers("again", policy=None, mode="random")  # by the runner's seed
    assert random != multipliers("seed", policy=None, mode="random", seed=8)
    greedy = multipliers("argmax", policy=POLICY, mode="argmax")
    assert greedy[0] == [1.0] * 3 and greedy[1] != greedy[0]


def test_the_policy_observes_whatever_consistency_loss_there_is(tmp_path, caplog):
    model = seg_toy.segmentor(
        seg_toy.resnet18(seg_toy.write_imagenet_file(tmp_path / "r18.pth", seg_toy.resnet18()))
    )
    config = seg_toy.toy_config(
        tmp_path / "run",
        model,
        dict(loss=dict(type="FeatureL2Loss")),
        max_iters=4,
        hooks=[dict(type="LayerLRPolicyHook", policy=dict(num_groups=7), window=2)],
        optim_wrapper=dict(
            constructor="LayerGroupOptimWrapperConstructor",
            optimizer=dict(type="SGD", lr=0.01),
            paramwise_cfg=dict(preset="resnet"),
        ),
    )
    runner, recorder = seg_toy.build_runner(config), seg_toy.Recorder()
    runner.register_hook(recorder)
    runner.logger.addHandler(caplog.handler)
    seen = watch(policy_hook(runner).policy)
    runner.train()
    distances = [line["feature_l2_imagenet"] for line in recorder.log[:2]]
    assert distances[1] > 0
    # The observation is float32.
    assert seen[0][1].item() == pytest.approx(sum(distances) / 2, rel=1e-6)
    losses = [line["decode.loss_ce"] for line in recorder.log[:2]]
    assert seen[0][0].item() == pytest.approx(sum(losses) / 2, rel=1e-6)
    assert "observes feature_l2_imagenet in the place of kl_imagenet" in caplog.text


def test_diverged_losses_do_not_reach_the_policy(tmp_path):
    runner = run(
        tmp_path,
        hook=dict(policy=POLICY, window=4),
        model=dict(type="ToyNet", explode_at=10),
    )
    assert policy_hook(runner).decisions == 2


CHANGES = [
    (dict(window=5), "window.length: the checkpoint has 4, this config 5"),
    (dict(mode="argmax"), "mode: the checkpoint has 'sample', this config 'argmax'"),
    (dict(seed=9), "seed: the checkpoint has None, this config 9"),
    (
        dict(policy=dict(type="LSTMPolicy", num_groups=3, carry_state=False)),
        "policy.carry_state: the checkpoint has True, this config False",
    ),
    (dict(policy="other.pth"), "policy.weights: the checkpoint has 'new', this config '"),
    (dict(last_layer="first"), "last_layer: the checkpoint has None, this config 'first'"),
]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    folder = tmp_path_factory.mktemp("started")
    checkpoints = dict(checkpoint=dict(type="CheckpointHook", interval=4, by_epoch=False))
    hook = dict(policy=POLICY, window=4)
    run(folder / "a", hook=hook, max_iters=8, default_hooks=checkpoints)
    return folder / "a" / "iter_4.pth"


def resumed(folder, checkpoint, edit=lambda config: None, resume=True, **hook):
    hook = dict(dict(policy=POLICY, window=4), **hook)
    config = toy_config(folder, hook=hook, max_iters=8, load_from=str(checkpoint), resume=resume)
    edit(config)
    runner = Runner.from_cfg(config)
    runner.train()
    return runner


@pytest.mark.parametrize("hook, match", CHANGES, ids=[next(iter(c[0])) for c in CHANGES])
def test_resuming_with_other_settings_is_an_error(tmp_path, started, hook, match, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(LSTMPolicy(num_groups=3).state_dict(), "other.pth")
    with pytest.raises(ValueError, match=rf"custom_hooks \(LayerLRPolicyHook\).{match}"):
        resumed(tmp_path / "b", started, **hook)
    # The weights alone begin a new run, with any settings.
    assert resumed(tmp_path / "c", started, resume=False, **hook).iter == 8


def test_resuming_with_another_policy_file_or_other_groups_is_an_error(tmp_path, started):
    checkpoints = dict(checkpoint=dict(type="CheckpointHook", interval=4, by_epoch=False))
    for name in ("one", "two"):
        torch.save(LSTMPolicy(num_groups=3).state_dict(), tmp_path / f"{name}.pth")
    (tmp_path / "moved.pth").write_bytes((tmp_path / "one.pth").read_bytes())
    hook = dict(policy=str(tmp_path / "one.pth"), window=4)
    run(tmp_path / "a", hook=hook, max_iters=8, default_hooks=checkpoints)
    saved = tmp_path / "a" / "iter_4.pth"
    with pytest.raises(
        ValueError, match=r"LayerLRPolicyHook\).policy.weights: the checkpoint has '"
    ):
        resumed(tmp_path / "b", saved, policy=str(tmp_path / "two.pth"))
    resumed(tmp_path / "c", saved, policy=str(tmp_path / "moved.pth"))  # the same weights

    def edit(config):
        first, second, _ = config.optim_wrapper.paramwise_cfg.groups
        first["patterns"], second["patterns"] = second["patterns"], first["patterns"]

    with pytest.raises(
        ValueError, match=r"layer_groups\[0\]\[1\]: the checkpoint has 30, this config 42"
    ):
        resumed(tmp_path / "d", started, edit)


def test_a_run_that_only_tests_needs_no_policy(tmp_path, started):
    loader = dict(
        dataset=dict(type="ToyData"),
        batch_size=4,
        collate_fn=dict(type="default_collate"),
        sampler=dict(type="DefaultSampler", shuffle=False),
    )
    config = toy_config(
        tmp_path,
        hook=dict(policy="/nowhere/policy.pth", window=4),
        test_dataloader=loader,
        test_cfg=dict(type="TestLoop"),
        test_evaluator=dict(type="DumpResults", out_file_path=str(tmp_path / "out.pkl")),
        load_from=str(started),
    )
    Runner.from_cfg(config).test()
    assert (tmp_path / "out.pkl").is_file()
    with pytest.raises(FileNotFoundError, match="policy: got '/nowhere/policy.pth'"):
        Runner.from_cfg(config).train()


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="model's 3 layer groups .*It sets the rates of 7"):
        run(tmp_path, hook=dict(policy=dict(type="LSTMPolicy", num_groups=7), window=4))
    config = toy_config(tmp_path, hook=dict(policy=POLICY, window=4))
    config.optim_wrapper.pop("constructor")
    config.optim_wrapper.pop("paramwise_cfg")
    with pytest.raises(ValueError, match="constructor='LayerGroupOptimWrapperConstructor'"):
        Runner.from_cfg(config).train()
    config = toy_config(tmp_path, hook=dict(policy=POLICY, window=4))
    config.optim_wrapper.paramwise_cfg.groups[0].lr_mult = 0.1
    with pytest.raises(ValueError, match="'first' has lr_mult=0.1"):
        Runner.from_cfg(config).train()
    with pytest.raises(ValueError, match="mode: got 'greedy'; allowed"):
        toy_runner(tmp_path, hook=dict(policy=POLICY, window=4, mode="greedy"))
    with pytest.raises(
        ValueError, match="policy: got None; allowed: a packaged name .* mode='sample'"
    ):
        toy_runner(tmp_path, hook=dict(policy=None, window=4))
    with pytest.raises(ValueError, match="window: got 0"):
        toy_runner(tmp_path, hook=dict(policy=POLICY, window=0))
    with pytest.raises(ValueError, match="iters_per_epoch: got 7; allowed: 6, the length of"):
        window = dict(min_iters=3, iters_per_epoch=7)
        run(tmp_path, hook=dict(policy=POLICY, window=window), by_epoch=True)
    with pytest.raises(ValueError, match="The policy brings its multipliers"):
        toy_runner(tmp_path, hook=dict(policy=POLICY, window=4, multipliers=(0, 1)))
    with pytest.raises(ValueError, match="last_layer: got 'lastt'; .*mean 'last'"):
        run(tmp_path, hook=dict(policy=POLICY, window=4, last_layer="lastt"))
