import os
import signal

import pytest
import torch
from l2o_toy import GROUPS, SCORE, ToyData, toy_config, toy_runner
from mmengine.logging import MessageHub, MMLogger

from mmasg.l2o import EpisodePool, TrainingEnvironment
from mmasg.l2o.episode import train_episode
from mmasg.l2o.episode_pool import EpisodeJob, run_episode
from mmasg.l2o.group_policy import GROUP_INPUTS


def environment(tmp_path, window=4, **kwargs):
    names = ("episode_iters", "overrides", "observes", "score", "draws")
    options = {k: kwargs.pop(k) for k in names if k in kwargs}
    config = toy_config(tmp_path / "env", max_iters=20, **kwargs)
    return TrainingEnvironment(config._cfg_dict.to_dict(), window, **options)


def losses(env, seed, multipliers):
    window = env.reset(seed)
    found = [window.task_loss]
    while not window.done:
        window = env.step(multipliers)
        found.append(window.task_loss)
    return found


def test_windows_of_a_whole_training(tmp_path):
    env = environment(tmp_path)
    window = env.reset(3)
    assert env.group_names == GROUPS
    assert window.observation.shape == (1, 8) and not window.done
    assert window.observation[0, 0].item() == pytest.approx(window.task_loss)
    assert window.observation[0, 5:].tolist() == [1.0] * 3
    window = env.step([0.5, 0.0, 1.0])
    assert window.observation[0, 5:].tolist() == [0.5, 0.0, 1.0]
    for _ in range(3):
        window = env.step([1.0] * 3)
    assert window.done and not window.diverged
    # Means of step / total over the last four of 20 iterations.
    assert window.observation[0, 2].item() == pytest.approx((16 + 17 + 18 + 19) / 4 / 20)


def test_same_as_the_training_itself(tmp_path):
    """Multiplier 1 throughout is the plain run of the same seed."""
    config = toy_config(tmp_path / "env", max_iters=20)._cfg_dict.to_dict()
    seen = []

    def answer(step):
        seen.append(step.task_loss)
        return [1.0] * 3

    weights = train_episode(config, 7, answer, 4).model.state_dict()
    assert losses(environment(tmp_path), 7, [1.0] * 3) == seen  # in a process of its own
    runner = toy_runner(tmp_path / "plain", max_iters=20)  # seed 7
    runner.train()
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_seeds(tmp_path):
    env = environment(tmp_path, by_epoch=True)
    first = losses(env, 1, [0.5] * 3)
    assert first == losses(env, 1, [0.5] * 3)
    assert first != losses(env, 2, [0.5] * 3)
    assert first[0] == losses(env, 1, [0.0] * 3)[0]  # the first window is at multiplier 1


def test_ends(tmp_path):
    assert len(losses(environment(tmp_path, episode_iters=9), 0, [1.0] * 3)) == 3
    env = environment(tmp_path, model=dict(type="ToyNet", explode_at=6))
    env.reset(0)
    window = env.step([1.0] * 3)
    assert window.diverged and window.done


def test_groups_scores_and_draws(tmp_path):
    draws = [
        dict(log_uniform=(0.001, 10.0), keys="optim_wrapper.optimizer.lr"),
        dict(choice=[{"train_cfg.max_iters": n} for n in (8, 12)]),
        dict(uniform=(3, 9), integer=True, keys="score.dataloader.dataset.length"),
    ]
    env = environment(tmp_path, observes="groups", score=SCORE, draws=draws)
    runs = {seed: run_episode(env, lambda seen: [2.0, 1.0, 0.5], seed) for seed in (3, 4, 5, 3)}
    assert {len(run) for run in runs.values()} == {2, 3}  # what was drawn, in windows of 4
    window = runs[3][1]
    assert [tuple(t.shape) for t in window.observation] == [(1, 3, 8), (1, 6)]
    place = GROUP_INPUTS.index("log_multiplier")
    assert window.observation[0][0, :, place].exp().tolist() == pytest.approx([2.0, 1.0, 0.5])
    assert all(0 < step.score < 100 for run in runs.values() for step in run)
    again = run_episode(env, lambda seen: [2.0, 1.0, 0.5], 3)
    assert [w.score for w in again] == [w.score for w in runs[3]]
    assert draws == env.draws.draws  # not changed by having been used
    env.close()


def test_scoring_leaves_the_training_alone(tmp_path):
    config = toy_config(tmp_path / "env", max_iters=8)._cfg_dict.to_dict()
    ends = []
    for extra in ({}, dict(score=SCORE)):
        shown = []
        runner = train_episode(
            {**config, **extra}, 7, lambda s, shown=shown: shown.append(s) or [1.0] * 3, 4
        )
        ends.append(runner.model.state_dict())
        assert runner.model.training
    assert all(torch.equal(v, ends[1][k]) for k, v in ends[0].items())
    with torch.no_grad():
        data = ToyData(10)
        probabilities = runner.model(data.x).softmax(1)[torch.arange(10), data.y]
    assert shown[-1].score == pytest.approx(100 * float(probabilities.mean()), rel=1e-5)
    wrong = dict(SCORE, metric="mIoU")
    with pytest.raises(ValueError, match="score.metric: got 'mIoU'; allowed: confidence"):
        train_episode({**config, "score": wrong}, 7, lambda s: [1.0] * 3, 4)


def test_a_pool_gives_the_same_whatever_the_number_of_workers(tmp_path):
    config = toy_config(tmp_path / "env", max_iters=8)._cfg_dict.to_dict()
    given = [dict(config=config, window=4, observes="groups")] * 2
    jobs = [EpisodeJob(n, lambda seen, n=n: [1.0 + n] * 3) for n in (3, 1, 2)]
    found = []
    for workers in (1, 2):
        pool = EpisodePool(given, workers)
        found.append([[w.task_loss for w in windows] for windows in pool.map(jobs)])
        if workers == 2:
            bad = [jobs[0], EpisodeJob(4, lambda seen: [1.0])]
            with pytest.raises(ValueError, match="multipliers: got .*; allowed: 3 numbers"):
                list(pool.map(bad))
            assert [w.task_loss for w in next(pool.map(jobs[:1]))] == found[0][0]
        pool.close()
    assert found[0] == found[1] and len({tuple(losses) for losses in found[0]}) == 3
    with pytest.raises(ValueError, match="workers: got 0; allowed: an integer >= 1"):
        EpisodePool(given, 0)


def test_leaves_the_surrounding_run_alone(tmp_path):
    outer = toy_runner(tmp_path / "outer")
    hub, logger = MessageHub.get_current_instance(), MMLogger.get_current_instance()
    env = environment(tmp_path)
    env.reset(0)
    assert MessageHub.get_current_instance() is hub is outer.message_hub
    assert MMLogger.get_current_instance() is logger
    state = torch.get_rng_state()
    env.reset(1)
    assert torch.equal(torch.get_rng_state(), state)
    env.close()


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="episode_iters: got 0"):
        environment(tmp_path, episode_iters=0)
    with pytest.raises(ValueError, match="window: got 0"):
        environment(tmp_path, window=0)
    env = environment(tmp_path)
    with pytest.raises(RuntimeError, match="reset must be called"):
        env.step([1.0] * 3)
    env.reset(0)
    with pytest.raises(ValueError, match="multipliers: got .*1.0.*; allowed: 3 numbers"):
        env.step([1.0])
    losses(env, 0, [1.0] * 3)  # begun anew in the middle of an episode, too
    with pytest.raises(RuntimeError, match="episode is over"):
        env.step([1.0] * 3)
    config = toy_config(tmp_path)._cfg_dict.to_dict()
    config["optim_wrapper"]["paramwise_cfg"]["groups"][0]["lr_mult"] = 0.1
    with pytest.raises(ValueError, match="drop `lr_mult`"):
        TrainingEnvironment(config, 4).reset(0)


def test_an_environment_that_is_killed_says_so_and_begins_anew(tmp_path):
    env = environment(tmp_path)
    first = env.reset(3)
    os.kill(env._process._process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"ended by itself \(exit code -9\).*lack of memory"):
        env.step([1.0] * 3)
    env.close()
    assert env.reset(3).task_loss == first.task_loss
    process = env._process._process
    env.close()
    assert not process.is_alive()
