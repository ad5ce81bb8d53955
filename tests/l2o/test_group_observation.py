import math
from dataclasses import replace

import pytest
import torch

from mmasg.l2o.group_observation import WindowFacts, observe_groups
from mmasg.l2o.group_policy import GROUP_INPUTS, RUN_INPUTS

FIRST = WindowFacts(4.0, 0.1, [2.0, 8.0], [1.0, 2.0], [0.1, 0.2], [1e-4, 1e-2], [0.5, -0.5])
BEFORE = WindowFacts(3.0, 0.2, [1.0, 4.0], [1.0, 2.0], [0.1, 0.2], [1e-4, 1e-2], [0.5, -0.5])
NOW = WindowFacts(1.5, 0.4, [1.0, 8.0], [2.0, 2.0], [0.3, 0.4], [2e-4, 1e-2], [0.25, -1.0])
REST = dict(multipliers=[0.5, 2.0], new=[False, True], progress=0.25)


def test_by_hand():
    groups, run = observe_groups(NOW, BEFORE, FIRST, **REST)
    share = (math.log(0.5) - math.log(4)) / 2
    expected = torch.tensor(
        [
            [0.0, 0.0, math.log(0.5), math.log(0.2), share, math.log(0.5) - math.log(1), 0.3, 0.25],
            [1.0, 1.0, math.log(2.0), math.log(10), -share, math.log(4) - math.log(2), 0.4, -1.0],
        ]
    )
    torch.testing.assert_close(groups, expected[None], rtol=1e-6, atol=1e-7)
    losses = [1.5 / 4, 1.5 / 3, 0.4 / 0.1, 0.4 / 0.2]  # the KL against 0.1 nats
    expected = torch.tensor([*map(math.log, losses), 1.0, 0.25])
    torch.testing.assert_close(run, expected[None], rtol=1e-6, atol=1e-7)
    assert groups.shape[2] == len(GROUP_INPUTS) and run.shape[1] == len(RUN_INPUTS)


def test_scales_change_nothing():
    def scaled(facts):
        return replace(
            facts,
            task_loss=30 * facts.task_loss,
            gradient_norms=[1e4 * g for g in facts.gradient_norms],
            weight_norms=[1e-3 * w for w in facts.weight_norms],
        )

    plain = observe_groups(NOW, BEFORE, FIRST, **REST)
    other = observe_groups(scaled(NOW), scaled(BEFORE), scaled(FIRST), **REST)
    for a, b in zip(plain, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_first_window_and_no_consistency_loss():
    facts = replace(FIRST, kl=0.0, task_kl_agreements=None)
    groups, run = observe_groups(facts, None, facts, **REST)
    assert run.tolist() == [[0.0, 0.0, 0.0, 0.0, 0.0, 0.25]]
    assert groups[0, :, GROUP_INPUTS.index("task_kl_agreement")].tolist() == [0.0, 0.0]
    assert groups[0, :, GROUP_INPUTS.index("gradient_change")].tolist() == [0.0, 0.0]


def test_zero_gradients_and_explosions_stay_in_bounds():
    still = replace(NOW, gradient_norms=[0.0, 1e30], task_loss=1e30)
    groups, run = observe_groups(still, BEFORE, FIRST, **REST)
    assert groups.abs().max() == 5 and run.abs().max() == 5


def test_errors():
    with pytest.raises(ValueError, match="agreements: got 1; allowed: 2 groups"):
        observe_groups(replace(NOW, agreements=[0.1]), BEFORE, FIRST, **REST)
    with pytest.raises(ValueError, match="run: got .*nan.*; allowed: finite numbers"):
        observe_groups(replace(NOW, task_loss=float("nan")), BEFORE, FIRST, **REST)
