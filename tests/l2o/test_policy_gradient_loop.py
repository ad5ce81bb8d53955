import json
import logging
from pathlib import Path

import pytest
import torch
from l2o_toy import toy_config
from mmengine.config import Config
from mmengine.runner import Runner

from mmasg.l2o import EnvironmentStep, LSTMPolicy, build_policy


def meta_config(work_dir, *, environment=None, max_iters=4, **train_cfg):
    # A file: mmengine formats the text of a config that holds another for seconds.
    work_dir.mkdir(exist_ok=True)
    env = toy_config(work_dir / "env", max_iters=24, **(environment or {}))
    (work_dir / "env.json").write_text(json.dumps(env._cfg_dict.to_dict()))
    return Config(
        dict(
            model=dict(type="ReinforcePolicy", num_groups=3),
            work_dir=str(work_dir),
            train_dataloader=dict(),
            train_cfg=dict(
                type="PolicyGradientLoop",
                max_iters=max_iters,
                **{
                    "environments": dict(
                        config=str(work_dir / "env.json"), window=3, episode_iters=20
                    ),
                    **train_cfg,
                },
            ),
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=7e-4, momentum=0.9)),
            default_hooks=dict(
                logger=dict(type="LoggerHook", interval=1),
                checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2),
            ),
            log_processor=dict(by_epoch=False, window_size=1),
            experiment_name=f"meta_{work_dir.name}",
            randomness=dict(seed=0),
        )
    )


def read_log(runner):
    path = Path(runner.log_dir) / "vis_data" / f"{runner.timestamp}.json"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_trains_saves_and_resumes(tmp_path):
    config = meta_config(
        tmp_path / "a", gamma=0.9, entropy_weight=0.01, baseline=dict(normalise=True)
    )
    config.custom_hooks = [dict(type="TrainingCheckHook")]  # as tools/train.py has it
    runner = Runner.from_cfg(config)
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    runner.train()
    lines = [line for line in read_log(runner) if "reward" in line]
    # Windows of 3 in episodes of 20 iterations: 7 windows, 6 decisions, rollouts of 5 and 1.
    assert [line["decision"] for line in lines] == [5, 6, 5, 6]
    assert [line["episode"] for line in lines] == [1, 1, 2, 2]
    episodes = [line for line in read_log(runner) if "episode/mean_loss" in line]
    assert [line["episode/windows"] for line in episodes] == [7, 7]

    saved = torch.load(tmp_path / "a" / "iter_2.pth", weights_only=True)
    bare = LSTMPolicy(num_groups=3)
    bare.load_state_dict(saved["state_dict"], strict=True)
    built = build_policy(str(tmp_path / "a" / "iter_4.pth"))
    after = runner.model.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in built.state_dict().items())
    assert any(not torch.equal(v, after[k]) for k, v in before.items() if "heads" in k)


def test_resumes_within_an_episode_to_the_same_bits(tmp_path, caplog):
    # Rollouts of 2 in episodes of 6 decisions: update 4 is the first of the second episode.
    options = dict(rollout_length=2, gamma=0.9, baseline=dict(normalise=True), max_iters=7)
    whole = Runner.from_cfg(meta_config(tmp_path / "whole", **options))
    whole.train()
    config = meta_config(tmp_path / "resumed", **options)
    config.load_from, config.resume = str(tmp_path / "whole" / "iter_4.pth"), True
    resumed = Runner.from_cfg(config)
    resumed.logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        resumed.train()
    assert "first 3 windows of episode 2 once more" in caplog.text
    assert "not to the same bits" not in caplog.text
    after = resumed.model.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in whole.model.state_dict().items())
    keys = ("step", "reward", "mean_multiplier", "window_task_loss", "episode", "decision", "loss")
    rows = [
        [tuple(line[k] for k in keys) for line in read_log(runner) if "reward" in line]
        for runner in (whole, resumed)
    ]
    assert len(rows[1]) == 3 and rows[0][4:] == rows[1]
    averages = [r.train_loop.collector.baseline.state_dict() for r in (whole, resumed)]
    assert averages[0] == averages[1]


def test_resumed_on_something_else_says_so(tmp_path, caplog):
    options = dict(rollout_length=2, max_iters=4)
    Runner.from_cfg(meta_config(tmp_path / "whole", **options)).train()
    config = meta_config(tmp_path / "other", **{**options, "max_iters": 5})
    config.train_cfg.environments.overrides = {"optim_wrapper.optimizer.lr": 0.05}
    config.load_from, config.resume = str(tmp_path / "whole" / "iter_4.pth"), True
    resumed = Runner.from_cfg(config)
    resumed.logger.addHandler(caplog.handler)
    resumed.train()
    assert resumed.iter == 5 and "not to the same bits" in caplog.text


def test_resumed_with_another_number_of_processes_uses_no_seed_twice(tmp_path, caplog):
    Runner.from_cfg(meta_config(tmp_path / "one", max_iters=2)).train()
    checkpoint = torch.load(tmp_path / "one" / "iter_2.pth", weights_only=True)
    states = checkpoint["policy_gradient_loop"]["collectors"]
    checkpoint["policy_gradient_loop"]["collectors"] = states * 2  # as two processes had saved it
    torch.save(checkpoint, tmp_path / "two.pth")
    config = meta_config(tmp_path / "again", max_iters=3)
    config.load_from, config.resume = str(tmp_path / "two.pth"), True
    resumed = Runner.from_cfg(config)
    resumed.logger.addHandler(caplog.handler)
    resumed.train()
    assert "of 2 process(es), this run has 1" in caplog.text
    # One episode in each of the two: seeds 1 and 2 are spent.
    assert [line["episode"] for line in read_log(resumed) if "reward" in line] == [3]


def test_environments_in_turn_with_new_seeds(tmp_path, monkeypatch):
    from mmasg.l2o import TrainingEnvironment

    seen = []
    reset = TrainingEnvironment.reset

    def spy(self, seed):
        seen.append((self.episode_iters, seed))
        return reset(self, seed)

    monkeypatch.setattr(TrainingEnvironment, "reset", spy)
    env = toy_config(tmp_path / "env")._cfg_dict.to_dict()
    (tmp_path / "env.json").write_text(json.dumps(env))
    env = str(tmp_path / "env.json")
    environments = [dict(config=env, window=4, episode_iters=n) for n in (8, 12)]
    Runner.from_cfg(meta_config(tmp_path / "m", environments=environments, max_iters=3)).train()
    assert seen == [(8, 1), (12, 2), (8, 3)]


def test_diverged_environment_ends_its_episode_only(tmp_path, caplog):
    config = meta_config(
        tmp_path, environment=dict(model=dict(type="ToyNet", explode_at=8)), max_iters=2
    )
    runner = Runner.from_cfg(config)
    runner.logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        runner.train()
    lines = [line for line in read_log(runner) if "reward" in line]
    assert [line["decision"] for line in lines] == [2, 2]
    # Two decisions: a small decrease, and -5, the lowest of the default reward.
    assert all(line["reward"] == pytest.approx(-2.5, abs=0.5) for line in lines)
    assert "diverged" in caplog.text
    assert all(v.isfinite().all() for v in runner.model.state_dict().values())


class Bandit:
    """Stands for a training: group 0's multiplier is what the loss depends on, with noise."""

    group_names = ("a", "b", "c")
    episode_iters = None

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def reset(self, seed):
        self.left = 10
        return self.step([1.0] * 3)

    def step(self, multipliers):
        self.left -= 1
        loss = 2 - multipliers[0] + 0.2 * torch.randn(1, generator=self.generator).item()
        observation = torch.tensor([[loss, 0, 1 - self.left / 10, 0, 0.1, *multipliers]])
        return EnvironmentStep(observation, loss, self.left == 0, False)

    def close(self):
        pass


@pytest.mark.parametrize(
    "options",
    [dict(baseline=dict(normalise=True), entropy_weight=0.001), dict(baseline="value")],
)
def test_learns_what_pays(tmp_path, options):
    torch.manual_seed(0)
    config = meta_config(tmp_path, max_iters=60, reward=dict(type="NegativeLossReward"), **options)
    config.optim_wrapper.optimizer = dict(type="Adam", lr=0.05)
    config.default_hooks = dict(logger=None, checkpoint=None)
    runner = Runner.from_cfg(config)
    runner.train_loop.collector.environments = [Bandit()]
    runner.train()
    with torch.no_grad():
        logits, _, _ = runner.model(Bandit().reset(0).observation)
    mean = (logits.exp() @ torch.tensor(runner.model.multipliers))[0]
    assert mean[0] > 0.8  # a uniform policy has 0.5


def test_errors(tmp_path):
    def build(**kwargs):
        return Runner.from_cfg(meta_config(tmp_path, **kwargs))

    with pytest.raises(ValueError, match="rollout_length: got 0; allowed: an integer >= 1"):
        build(rollout_length=0).train()
    with pytest.raises(ValueError, match="train_cfg.gamma: got 2.0"):
        build(gamma=2.0).train()
    with pytest.raises(ValueError, match="train_cfg.baseline: got 'average'; allowed"):
        build(baseline="average").train()
    with pytest.raises(ValueError, match="train_cfg.environments: got"):
        build(environments=[]).train()
    config = meta_config(tmp_path)
    config.model.num_groups = 5
    with pytest.raises(ValueError, match="model.num_groups: got 5; allowed: 3, .*'first'"):
        Runner.from_cfg(config).train()
    config = meta_config(tmp_path)
    config.model = dict(type="ToyNet")
    with pytest.raises(TypeError, match="model: got 'ToyNet'; allowed: .*ReinforcePolicy"):
        Runner.from_cfg(config).train()
