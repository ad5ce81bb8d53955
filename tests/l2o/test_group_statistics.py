import math

import pytest
import torch

from mmasg.l2o.group_statistics import GroupStatistics

CPU = torch.device("cpu")


def step(statistics, number):
    sketch = torch.tensor([[1.0, float(number)], [0.0, 1.0]])
    statistics.add_step(torch.tensor([2.0 * number, 3.0]), [4.0, 5.0], [1e-4, number], sketch)


def test_means_over_iterations_and_over_steps():
    statistics = GroupStatistics(2)
    for number in range(3):
        if number != 1:  # an iteration without a step
            step(statistics, number)
        statistics.add(float(number), 0.5 * number, CPU)
    facts = statistics.mean()
    assert (facts.task_loss, facts.kl) == (1.0, 0.5)
    assert facts.gradient_norms == [2.0, 3.0]
    assert facts.weight_norms == [4.0, 5.0]
    assert facts.fractions == pytest.approx([1e-4, 1.0])
    # The first gradient has none before it: its agreement counts as 0.
    assert facts.agreements == pytest.approx([0.5 / math.sqrt(5), 0.5])
    assert facts.task_kl_agreements is None and facts.is_finite()
    statistics.reset()
    step(statistics, 2)  # compared with the last of the window before
    statistics.task_kl = torch.tensor([0.25, -1.0])
    statistics.add(1.0, 0.0, CPU)
    facts = statistics.mean()
    assert facts.agreements == pytest.approx([1.0, 1.0])
    assert facts.task_kl_agreements == [0.25, -1.0]


def test_goes_on_from_its_state():
    whole, first, second = GroupStatistics(2), GroupStatistics(2), GroupStatistics(2)
    for number in range(5):
        if number == 3:
            second.load_state_dict(first.state_dict())
        for statistics in (whole, first if number < 3 else second):
            step(statistics, number)
            statistics.add(number, 0.1 * number, CPU)
    assert second.count == 5 and second.mean() == whole.mean()


def test_a_window_without_a_step_is_not_finite():
    statistics = GroupStatistics(2)
    with pytest.raises(RuntimeError, match="No iteration"):
        statistics.mean()
    statistics.add(1.0, 0.0, CPU)
    assert not statistics.mean().is_finite()


def test_values_are_averaged_over_processes():
    statistics = GroupStatistics(1)

    def reduce(row):  # another process that saw twice the loss and the same step
        row[0] *= 1.5

    statistics.add_step(torch.tensor([2.0]), [1.0], [1.0], torch.ones(1, 3))
    statistics.add(2.0, 0.0, CPU, reduce)
    facts = statistics.mean()
    assert facts.task_loss == 3.0 and facts.gradient_norms == [2.0]
