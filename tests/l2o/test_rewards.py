import math

import pytest
import torch
from mmengine.registry import TASK_UTILS

from mmasg.l2o import EnvironmentStep, MovingAverageBaseline
from mmasg.l2o.rewards import episode_rewards


def build(kind, **kwargs):
    return TASK_UTILS.build(dict(type=kind, **kwargs))


def test_rewards():
    assert build("LossDecreaseReward")(2.0, 1.5) == 0.5
    assert build("LossDecreaseReward", bound=0.2)(2.0, 1.5) == 0.2
    assert build("ExpLossReward")(2.0, 1.5) == pytest.approx(math.exp(-1.5))
    assert build("NegativeLossReward")(2.0, 1.5) == -1.5


@pytest.mark.parametrize("kind", ["LossDecreaseReward", "ExpLossReward", "NegativeLossReward"])
def test_nothing_is_lower_than_lowest(kind):
    reward = build(kind)
    assert reward.lowest <= min(reward(a, b) for a in (0.0, 1e9) for b in (0.0, 3.0, 1e9))


def windows(scores, diverged=False):
    steps = [EnvironmentStep(None, 1.0, False, False, score=score) for score in scores]
    if diverged:
        steps.append(EnvironmentStep(None, float("nan"), True, True))
    return steps


def test_scores_are_rewarded_window_by_window_and_at_the_end():
    reward = build("ScoreReward", end_weight=2.0)
    assert episode_rewards(reward, windows([5.0, 8.0, 6.0, 10.0])) == [3.0, -2.0, 4.0 + 2 * 5.0]
    assert episode_rewards(reward, windows([5.0, 8.0], True)) == [3.0, -50.0 + 2 * -50.0]
    assert episode_rewards(reward, windows([5.0])) == []
    assert episode_rewards(build("NegativeLossReward"), windows([None, None])) == [-1.0]
    with pytest.raises(ValueError, match="got 'ScoreReward'; allowed: a reward of the task loss"):
        episode_rewards(reward, windows([None, None]))
    with pytest.raises(ValueError, match="reward.end_weight: got -1"):
        build("ScoreReward", end_weight=-1)


def test_bad_bound():
    with pytest.raises(ValueError, match="reward.bound: got 0; allowed: a number above 0"):
        build("LossDecreaseReward", bound=0)


def test_moving_average_of_each_decision():
    average = MovingAverageBaseline(momentum=0.5)
    first, scale = average(torch.tensor([1.0, 5.0]), first=0)
    assert first.tolist() == [1.0, 5.0] and scale is None  # unseen: nothing to compare with
    second, _ = average(torch.tensor([3.0, 9.0, 7.0]), first=0)
    assert second.tolist() == [1.0, 5.0, 7.0]
    third, _ = average(torch.tensor([0.0, 0.0]), first=1)
    assert third.tolist() == [7.0, 7.0]
    assert average(torch.tensor([0.0]), first=0)[0].tolist() == [2.0]


def test_normalised_and_shared():
    average = MovingAverageBaseline(momentum=0.99, per_decision=False, normalise=True)
    values = torch.randn(400, generator=torch.Generator().manual_seed(0)) * 3 + 2
    for i in range(0, 400, 5):
        mean, scale = average(values[i : i + 5], first=i)
    # Averages over about 200 values of standard deviation 3: errors of about 0.2.
    assert mean[-1] == pytest.approx(2.0, abs=0.8) and scale[-1] == pytest.approx(3.0, abs=0.8)
    copy = MovingAverageBaseline(momentum=0.99, per_decision=False, normalise=True)
    copy.load_state_dict(average.state_dict())
    assert copy.averages == average.averages and copy.variance == average.variance


def test_bad_momentum():
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\)"):
        MovingAverageBaseline(momentum=1.0)
