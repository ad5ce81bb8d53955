import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmasg.l2o import ReinforcePolicy

SCRIPT = Path(__file__).parents[1] / "l2o_two_ranks.py"


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    env = dict(os.environ, OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), str(folder)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        output, _ = process.communicate(timeout=500)
        assert process.returncode == 0, output[-3000:]
    saved = torch.load(folder / "meta" / "iter_3.pth", weights_only=True)
    # What each rank is at, though only the first one saves.
    states = saved["policy_gradient_loop"]["collectors"]
    assert len(states) == 2 and states[0]["task_loss"] != states[1]["task_loss"]
    return [torch.load(folder / f"rank{r}.pt") for r in range(2)]


def test_ranks_act_alike_on_the_mean_observation(ranks):
    first, second = ranks
    assert first["multipliers"] == second["multipliers"] != [1.0] * 3
    for name, value in first["network"].items():
        assert torch.equal(value, second["network"][name]), name
    assert not torch.equal(first["losses"], second["losses"])  # each has data of its own
    losses = (first["losses"] + second["losses"]) / 2
    assert len(first["scalars"]) == len(second["scalars"]) == 3
    for window, (a, b) in enumerate(zip(first["scalars"], second["scalars"], strict=True)):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, losses[4 * window : 4 * window + 4].mean(0))


def test_ranks_take_the_first_one_s_decisions_about_groups(ranks):
    first, second = ranks
    assert first["group_multipliers"] == second["group_multipliers"] != [1.0] * 3
    assert first["group_facts"] == second["group_facts"]
    assert first["group_facts"]["task_kl_agreements"] is not None
    for name, value in first["group_network"].items():
        assert torch.equal(value, second["group_network"][name]), name


def test_each_rank_has_its_environment_and_gradients_are_averaged(ranks):
    first, second = ranks
    assert not torch.equal(
        first["rollouts"][0]["observation"], second["rollouts"][0]["observation"]
    )
    for name, value in first["policy"].items():
        assert torch.equal(value, second["policy"][name]), name
    # The same three updates in one process, with the mean of both ranks' losses.
    policy = ReinforcePolicy(num_groups=3)
    policy.load_state_dict(first["before"])
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
    for pair in zip(first["rollouts"], second["rollouts"], strict=True):
        optimizer.zero_grad()
        sum(policy(**rollout, mode="loss")["loss_policy"] / 2 for rollout in pair).backward()
        optimizer.step()
    for name, value in policy.state_dict().items():
        # Gradients are summed in another order: some float32 roundings.
        torch.testing.assert_close(value, first["policy"][name], rtol=1e-5, atol=1e-6)
