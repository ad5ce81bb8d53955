import math

import pytest
import torch

from mmasg.l2o import EvolutionTrainer, GroupPolicy, ReinforceTrainer, TrainableGroupPolicy
from mmasg.l2o.group_policy import GROUP_INPUTS, RUN_INPUTS
from mmasg.l2o.leave_one_out import leave_one_out
from mmasg.l2o.policy_evaluation import decided


def observation(number, step):
    generator = torch.Generator().manual_seed(100 * number + step)
    groups = 0.3 * torch.randn(1, 3, len(GROUP_INPUTS), generator=generator)
    groups[0, :, GROUP_INPUTS.index("new")] = torch.tensor([0.0, 0.0, 1.0])
    return groups, 0.3 * torch.randn(1, len(RUN_INPUTS), generator=generator)


def play(actor, number, decisions=2):
    """A new group earns by multiplier 2, others by 1/2; each training has noise of its own."""
    rewards = []
    for step in range(decisions):
        k = torch.tensor([math.log2(m) for m in actor(observation(number, step))])
        rewards.append(5.0 * number - float((k - torch.tensor([-1.0, -1.0, 1.0])).square().sum()))
    return rewards


def earned_by(trainer, policy, number):
    actors = trainer.actors(policy, number)
    return number, actors, [play(actor, number) for actor in actors]


def grads(policy, loss):
    return torch.autograd.grad(loss, list(policy.parameters()), allow_unused=True)


def test_reinforce_by_hand():
    torch.manual_seed(0)
    policy, trainer = TrainableGroupPolicy(hidden_size=4), ReinforceTrainer(3, entropy_weight=0.5)
    torch.nn.init.normal_(policy.head.weight)
    earned = [earned_by(trainer, policy, 7), earned_by(trainer, policy, 8)]
    found = policy(mode="loss", trainer=trainer, earned=earned, update=50)
    expected, entropies = [], []
    for number, actors, rewards in earned:
        returns = [torch.tensor([a + b, b]) for a, b in rewards]  # undiscounted
        baselines, scale = leave_one_out(returns)
        for actor, own, baseline in zip(actors, returns, baselines, strict=True):
            state = None
            for step in range(2):
                log_probs, state = policy(*observation(number, step), state)
                taken = sum(log_probs[0, g, a] for g, a in enumerate(actor.actions[step]))
                expected.append(-(own[step] - baseline[step]) / scale * taken)
                entropies.append(-(log_probs.exp() * log_probs).sum(-1).mean())
    loss, entropy = torch.stack(expected).mean(), torch.stack(entropies).mean()
    torch.testing.assert_close(found["loss_policy"], loss)
    torch.testing.assert_close(found["loss_entropy"], -0.25 * entropy)  # one half-life on
    for a, b in zip(grads(policy, found["loss_policy"]), grads(policy, loss), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_actors_of_a_training_are_always_the_same_ones():
    policy, trainer = GroupPolicy(), ReinforceTrainer(4)
    first, again, other = (earned_by(trainer, policy, n) for n in (3, 3, 4))
    assert first[2] == again[2] and len({tuple(row) for row in first[2]}) > 1
    actions = [[actor.actions for actor in e[1]] for e in (first, other)]
    assert actions[0] != actions[1]


def test_evolution_by_hand():
    torch.manual_seed(0)
    policy = TrainableGroupPolicy(hidden_size=4)
    trainer = EvolutionTrainer(pairs=2, sigma=0.2, trunk_sigma=0.01)
    number, actors, rewards = earned_by(trainer, policy, 5)
    found = policy(mode="loss", trainer=trainer, earned=[(number, actors, rewards)], update=0)
    returns = [sum(row) for row in rewards]
    spread = torch.tensor(returns, dtype=torch.float64).std()
    gradient = dict(
        zip(dict(policy.named_parameters()), grads(policy, found["loss_policy"]), strict=True)
    )
    for name, parameter in policy.named_parameters():
        size = 0.2 if name.startswith("head") else 0.01
        expected = 0.0
        for plus in (0, 2):
            a, b = (dict(actors[plus + i]._policy.named_parameters())[name] for i in (0, 1))
            torch.testing.assert_close((a + b) / 2, parameter, rtol=1e-5, atol=1e-6)
            noise = (a - b) / (2 * size)
            gain = (returns[plus] - returns[plus + 1]) / (2 * spread)
            expected = expected - float(gain) * noise / 2
        # The noise is read off weights that are 100 times larger.
        torch.testing.assert_close(gradient[name], expected, rtol=1e-3, atol=1e-4)
    assert found["entropy"] == pytest.approx(sum(a.entropy for a in actors) / 4)


def test_evolution_learns_to_step_as_is_rewarded():
    torch.manual_seed(0)
    policy, trainer = TrainableGroupPolicy(hidden_size=8), EvolutionTrainer(pairs=4)
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.1)
    for update in range(30):
        earned = [earned_by(trainer, policy, update)]
        optimizer.zero_grad()
        trainer.losses(policy, earned, update)["loss_policy"].backward()
        optimizer.step()
    rewards = [play(decided(policy)(torch.Generator()), n) for n in (900, 901)]
    # The fixed rule loses 3 a decision, in trainings that were not trained on as well.
    losses = [5.0 * n - r for n, row in zip((900, 901), rewards, strict=True) for r in row]
    assert sum(losses) / 4 < 2.4


def test_equal_returns_teach_nothing():
    policy = TrainableGroupPolicy(hidden_size=4)
    for trainer in (EvolutionTrainer(pairs=1), ReinforceTrainer(2, entropy_weight=0.0)):
        number, actors, rewards = earned_by(trainer, policy, 1)
        earned = [(number, actors, [[1.0, 1.0] for _ in rewards])]
        for gradient in grads(policy, trainer.losses(policy, earned, 0)["loss_policy"]):
            assert gradient is None or not gradient.any()


@pytest.mark.parametrize(
    "build, match",
    [
        (lambda: ReinforceTrainer(1), "trainer.episodes: got 1; allowed: an integer >= 2"),
        (lambda: ReinforceTrainer(gamma=1.5), "trainer.gamma: got 1.5"),
        (lambda: ReinforceTrainer(entropy_weight=-1), "trainer.entropy_weight: got -1"),
        (lambda: ReinforceTrainer(half_life=0), "trainer.half_life: got 0"),
        (lambda: EvolutionTrainer(pairs=0), "trainer.pairs: got 0; allowed: an integer >= 1"),
        (lambda: EvolutionTrainer(sigma=0), "trainer.sigma: got 0; allowed: a number above 0"),
    ],
)
def test_bad_arguments(build, match):
    with pytest.raises(ValueError, match=match):
        build()
