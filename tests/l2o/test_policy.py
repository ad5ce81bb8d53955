from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS

from mmasg.l2o import LSTMPolicy, policy_from_reference, policy_to_reference

FIXTURE = np.load(Path(__file__).parents[1] / "data" / "policy.npz")


def reference_weights(prefix="sd/"):
    return {k[len(prefix) :]: torch.from_numpy(FIXTURE[k]) for k in FIXTURE if k.startswith(prefix)}


def fixture_policy(**kwargs):
    policy = LSTMPolicy(num_groups=7, **kwargs)
    policy.load_state_dict(policy_from_reference(reference_weights()), strict=True)
    return policy


# 1e-5 absolute on log-probabilities of the order of 2: float32 rounding of sums over 101 features
# is below 1e-6; anything more would be another function.
TOLERANCE = dict(rtol=0, atol=1e-5)


@torch.no_grad()
def test_carried_state_reproduces_the_reference():
    policy, state = fixture_policy(), None
    for t, observation in enumerate(torch.from_numpy(FIXTURE["obs"])):
        logits, value, state = policy(observation[None], state)
        torch.testing.assert_close(
            logits[0], torch.from_numpy(FIXTURE["logits_carried"][t]), **TOLERANCE
        )
        torch.testing.assert_close(
            value[0], torch.tensor(FIXTURE["values_carried"][t]), **TOLERANCE
        )


@torch.no_grad()
def test_zero_state_reproduces_the_reference_one_by_one_and_as_a_batch():
    policy, state = fixture_policy(carry_state=False), None
    expected = torch.from_numpy(FIXTURE["logits_zero_state"])
    observations = torch.from_numpy(FIXTURE["obs"])
    for t in range(6):
        logits, _, state = policy(observations[t : t + 1], state)
        torch.testing.assert_close(logits[0], expected[t], **TOLERANCE)
    logits, values, _ = policy(observations)
    torch.testing.assert_close(logits, expected, **TOLERANCE)
    torch.testing.assert_close(values, torch.from_numpy(FIXTURE["values_zero_state"]), **TOLERANCE)


def test_logits_are_log_probabilities_for_any_size():
    policy = LSTMPolicy(num_groups=3, num_scalars=2, multipliers=(0, 0.5, 2), hidden_size=4)
    logits, value, (hidden, cell) = policy(torch.randn(5, 5))
    assert logits.shape == (5, 3, 3) and value.shape == (5,)
    assert hidden.shape == cell.shape == (2, 5, 4)
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(5, 3))


def test_initialisation():
    torch.manual_seed(0)
    policy = LSTMPolicy(num_groups=2)
    weights = policy.state_dict()
    assert all((v == 0).all() for k, v in weights.items() if "bias" in k)
    eye = torch.eye(20)
    recurrent = weights["encoders.3.weight_hh_l0"]
    torch.testing.assert_close(recurrent.T @ recurrent, eye, rtol=0, atol=1e-5)
    head = weights["heads.1.weight"]
    torch.testing.assert_close(head @ head.T, 1e-4 * torch.eye(11), rtol=0, atol=1e-8)
    torch.testing.assert_close(weights["critic.weight"].norm(), torch.tensor(1.0))


def test_names_there_and_back():
    released = reference_weights()
    ours = policy_from_reference(released)
    assert set(ours) == set(LSTMPolicy(num_groups=7).state_dict())
    back = policy_to_reference(ours)
    assert list(back) == list(released)
    assert all(back[k] is released[k] for k in released)


def test_names_errors():
    released = reference_weights()
    del released["critic.fc.bias"]
    with pytest.raises(ValueError, match="missing critic.bias; unexpected none"):
        policy_from_reference(released)
    with pytest.raises(ValueError, match="unexpected"):
        policy_from_reference({**reference_weights(), "backbone.conv1.weight": torch.ones(1)})
    with pytest.raises(ValueError, match="unexpected"):
        policy_to_reference(reference_weights())


def test_registered_and_bad_arguments():
    assert isinstance(MODELS.build(dict(type="LSTMPolicy", num_groups=4)), LSTMPolicy)
    with pytest.raises(ValueError, match="LSTMPolicy.num_groups: got 0; allowed: an integer >= 1"):
        LSTMPolicy(num_groups=0)
    with pytest.raises(ValueError, match="LSTMPolicy.multipliers: got"):
        LSTMPolicy(num_groups=1, multipliers=(0.1, 0.1))
    with pytest.raises(ValueError, match=r"must be \(B, 12\).*got \(1, 11\)"):
        LSTMPolicy(num_groups=7)(torch.zeros(1, 11))
