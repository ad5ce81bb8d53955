import pytest
import torch

from mmasg.l2o.group_policy import GROUP_INPUTS, RUN_INPUTS, GroupPolicy


def trained(seed=0, **kwargs):
    """A policy that depends on what it sees."""
    torch.manual_seed(seed)
    policy = GroupPolicy(**kwargs)
    torch.nn.init.normal_(policy.head.weight)
    return policy


def inputs(batch=1, groups=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(batch, groups, len(GROUP_INPUTS), generator=generator),
        torch.randn(batch, len(RUN_INPUTS), generator=generator),
    )


def test_untrained_policy_is_the_prior_exactly():
    policy, state = GroupPolicy(spread=0.7), None
    k = torch.arange(-4, 5.0)
    prior = (-(k**2) / (2 * 0.7**2)).softmax(0)
    for step in range(3):
        groups, run = inputs(groups=7, seed=step)
        log_probs, state = policy(100 * groups, 100 * run, state)
        # float32 exponentials and a sum of nine: some 1e-7.
        torch.testing.assert_close(log_probs[0].exp(), prior.expand(7, -1), rtol=0, atol=1e-6)
        chosen, _ = policy.act(groups, run, None, None)
        assert [policy.multipliers[i] for i in chosen] == [1.0] * 7  # the fixed rule, bit for bit
        assert policy.mean_multipliers(log_probs[0]) == [1.0] * 7
    assert policy.multipliers == (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0, 16.0)


def test_mean_multipliers_by_hand():
    policy = GroupPolicy(factor=3.0, steps=1)
    log_probs = torch.tensor([[0.25, 0.25, 0.5], [0.6, 0.3, 0.1]]).log()
    expected = [3.0**0.25, 3.0**-0.5]
    assert policy.mean_multipliers(log_probs) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("count", [1, 2, 6, 23])
def test_any_number_of_groups(count):
    policy = trained()
    log_probs, state = policy(*inputs(batch=3, groups=count))
    assert log_probs.shape == (3, count, 9) and state.shape == (3, count, 32)
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(3, count))


def test_permuted_groups_give_permuted_decisions():
    policy, order = trained(), torch.tensor([3, 0, 4, 1, 2])
    groups, run = inputs()
    state = permuted = None
    for _ in range(3):
        log_probs, state = policy(groups, run, state)
        others, permuted = policy(groups[:, order], run, permuted)
        # The mean over groups adds in another order: float32 roundings.
        torch.testing.assert_close(others, log_probs[:, order], rtol=0, atol=1e-5)
        torch.testing.assert_close(permuted, state[:, order], rtol=0, atol=1e-5)
        groups = groups.flip(2)


def test_groups_see_themselves_and_each_other():
    policy = trained()
    groups, run = inputs()
    plain, _ = policy(groups, run)
    groups[0, 2] += 1.0
    changed, _ = policy(groups, run)
    assert ((changed - plain).abs().amax(2) > 1e-4).all()
    alone = trained()
    torch.nn.init.zeros_(alone.cell.weight_ih)  # with nothing seen, groups are all alike
    same, _ = alone(groups, run)
    assert torch.equal(same[:, :1].expand_as(same), same)


def test_state_is_carried():
    policy = trained()
    first, second = inputs(seed=1), inputs(seed=2)
    _, state = policy(*first)
    carried, _ = policy(*second, state)
    fresh, _ = policy(*second)
    assert (carried - fresh).abs().max() > 1e-2
    # What a batch computes, each run computes alone.
    groups, run = inputs(batch=4)
    together, states = policy(groups, run)
    for i in range(4):
        alone, state = policy(groups[i : i + 1], run[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], rtol=0, atol=1e-5)
        torch.testing.assert_close(state[0], states[i], rtol=0, atol=1e-5)


def test_draws_follow_the_probabilities():
    policy = GroupPolicy(spread=1.0)
    groups, run = inputs(groups=4000)
    chosen, _ = policy.act(groups, run, None, torch.Generator().manual_seed(0))
    k = torch.tensor(chosen, dtype=torch.float32) - 4
    # A normal distribution on the integers, cut at 4: sd 1.000; errors of 4,000 draws are 0.016.
    assert abs(k.mean()) < 0.07 and abs(k.std() - 1.0) < 0.05


@pytest.mark.parametrize(
    "kwargs, match",
    [
        (dict(hidden_size=0), "GroupPolicy.hidden_size: got 0; allowed: an integer"),
        (dict(steps=True), "GroupPolicy.steps: got True"),
        (dict(factor=1.0), "GroupPolicy.factor: got 1.0; allowed: a number above 1"),
        (dict(spread=float("inf")), "GroupPolicy.spread: got inf"),
        (dict(spread="wide"), "GroupPolicy.spread: got 'wide'"),
    ],
)
def test_bad_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        GroupPolicy(**kwargs)


def test_bad_inputs():
    policy = GroupPolicy()
    groups, run = inputs()
    with pytest.raises(ValueError, match=r"groups: got \(1, 5, 6\); allowed: \(B, G, 8\)"):
        policy(groups[..., :6], run)
    with pytest.raises(ValueError, match=r"run: got \(1, 4\); allowed: \(1, 6\)"):
        policy(groups, run[:, :4])
    _, state = policy(groups, run)
    with pytest.raises(ValueError, match=r"state: got \(1, 5, 32\); allowed: \(1, 3, 32\)"):
        policy(groups[:, :3], run, state)
