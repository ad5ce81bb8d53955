from pathlib import Path

import numpy as np
import pytest
import torch

from mmasg.l2o import (
    ReinforcePolicy,
    discounted_returns,
    policy_from_reference,
    policy_to_reference,
    reinforce_loss,
)

FIXTURE = np.load(Path(__file__).parents[1] / "data" / "policy.npz")


def tensor(name):
    return torch.from_numpy(np.asarray(FIXTURE[name]))


def weights(prefix):
    return {k[len(prefix) :]: tensor(k) for k in FIXTURE if k.startswith(prefix)}


@pytest.mark.parametrize("gamma", [0.0, 0.9])
def test_update_reproduces_the_reference(gamma):
    policy = ReinforcePolicy(num_groups=7)
    policy.load_state_dict(policy_from_reference(weights("sd/")))
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.01, momentum=0.9)
    losses = policy(
        tensor("obs")[:5],
        mode="loss",
        actions=tensor("actions"),
        rewards=tensor("rewards"),
        gamma=gamma,
    )
    losses["loss_policy"].backward()
    optimizer.step()
    # float32 with sums over 5 steps and 7 groups: 1e-6 relative is some ten roundings.
    expected = float(FIXTURE[f"g{gamma}/loss"])
    assert losses["loss_policy"].item() == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(
        discounted_returns(tensor("rewards"), gamma), tensor(f"g{gamma}/returns")[:5]
    )
    updated = policy_to_reference(policy.state_dict())
    for name, value in weights(f"g{gamma}/sd/").items():
        difference = (updated[name] - value).abs().max()
        assert difference <= 1e-6 * max(value.abs().max(), 1e-3), name


def test_each_action_gets_its_own_return():
    log_probs = torch.tensor([-1.0, -2.0, -4.0], requires_grad=True)
    loss = reinforce_loss(log_probs, torch.tensor([1.0, 0.0, 3.0]), gamma=0.5)
    # Returns 1 + 0.5 * 1.5 = 1.75, 1.5, 3.
    assert loss.item() == pytest.approx((1.75 + 2 * 1.5 + 4 * 3.0) / 3)
    loss.backward()
    torch.testing.assert_close(log_probs.grad, torch.tensor([-1.75, -1.5, -3.0]) / 3)


def test_baseline_and_scale():
    rewards = torch.tensor([1.0, 2.0])
    loss = reinforce_loss(
        torch.tensor([-1.0, -1.0]), rewards, 0.0, torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.5])
    )
    assert loss.item() == pytest.approx(1.0)


def test_shapes():
    with pytest.raises(ValueError, match=r"must be \(T,\).*\(3, 1, 1\)"):
        reinforce_loss(torch.zeros(3, 1, 1), torch.zeros(3))
    with pytest.raises(ValueError, match=r"baseline must be \(3,\)"):
        reinforce_loss(torch.zeros(3), torch.zeros(3), baseline=torch.zeros(1))


def test_value_head_and_entropy_are_trained_where_asked():
    policy = ReinforcePolicy(num_groups=2, hidden_size=3)
    rollout = dict(
        actions=torch.zeros(4, 2, dtype=torch.long), rewards=torch.tensor([1.0, 0.0, 2.0, 1.0])
    )
    observation = torch.rand(4, 7)
    plain = policy(observation, mode="loss", **rollout)
    sum(v for k, v in plain.items() if "loss" in k).backward()
    assert policy.critic.weight.grad.abs().max() == 0
    full = policy(observation, mode="loss", baseline="value", entropy_weight=0.1, **rollout)
    assert {"loss_value", "loss_entropy", "loss_policy"} <= set(full)
    assert full["loss_entropy"].item() == pytest.approx(-0.1 * 2 * full["entropy"].item())
    full["loss_value"].backward()
    assert policy.critic.weight.grad.abs().max() > 0
