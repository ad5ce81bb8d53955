import pytest

from mmasg.benchmark.arms import Arm
from mmasg.benchmark.results import LAST, Result
from mmasg.benchmark.spread import Spread
from mmasg.benchmark.sweep import RATE, Curve, curves, sweep_arms
from mmasg.benchmark.sweep_tables import gain_table, sweep_table

ARMS = [Arm("ours", "a.py", "Ours", ("x=1",)), Arm("free", "b.py", "Free")]


def result(arm, seed, test, validation):
    metrics = {LAST: {"test": {"mIoU": test}, "val": {"mIoU": validation}}}
    return Result(
        arm.name, "", arm.title, seed, arm.config, list(arm.options), "", "", metrics=metrics
    )


@pytest.fixture
def results():
    """ours: at 0.1 seeds 10 and 12, at 1 seeds 20 and 24, validation the other way round."""
    low, high, free = sweep_arms(ARMS, RATE, ["1e-1", "1"], ["free"])
    scores = {low: [(10, 50), (12, 52)], high: [(20, 40), (24, 42)], free: [(15, 45), (17, 45)]}
    return [result(arm, seed, *pair) for arm, of in scores.items() for seed, pair in enumerate(of)]


def test_every_arm_at_every_value_and_some_once():
    made = sweep_arms(ARMS, RATE, ["1e-1", "1"], ["free"])
    assert [(arm.name, arm.title) for arm in made] == [
        ("ours,lr=1e-1", "Ours,lr=1e-1"),
        ("ours,lr=1", "Ours,lr=1"),
        ("free", "Free"),
    ]
    assert made[0].options == ("x=1", f"{RATE}=1e-1") and made[2].options == ()


@pytest.mark.parametrize("values", [["a"], ["0.1", "1e-1"], []])
def test_values_are_numbers_each_once(values):
    with pytest.raises(ValueError, match="--values: got"):
        sweep_arms(ARMS, RATE, values)


def test_once_names_an_arm():
    with pytest.raises(ValueError, match="--once: got 'fre'; allowed: ours, free. Did you mean 'f"):
        sweep_arms(ARMS, RATE, ["1"], ["fre"])


def test_curves_of_results(results):
    found = curves(results, RATE, "mIoU", "test")
    assert list(found) == ["ours", "free"]
    ours, free = found["ours"], found["free"]
    assert (ours.title, free.title) == ("Ours", "Free")
    assert {value: spread.mean for value, spread in ours.at.items()} == {0.1: 11, 1.0: 22}
    assert ours.over_values().values == {0: 15, 1: 18} and free.over_values().mean == 16
    assert ours.best() == 1.0 and free.best() is None
    # Seed by seed: at 0.1 10 - 15 and 12 - 17, at 1 20 - 15 and 24 - 17.
    gains = ours.minus(free)
    assert gains.at == {0.1: Spread({0: -5, 1: -5}), 1.0: Spread({0: 5, 1: 7})}
    assert free.minus(ours).at[1.0].values == {0: -5, 1: -7}
    assert free.minus(free).once.values == {0: 0, 1: 0}


def test_a_seed_that_lacks_a_value_is_in_no_mean(results):
    found = curves(results[:3] + results[4:], RATE, "mIoU", "test")
    assert found["ours"].over_values().values == {0: 15}
    assert Curve("empty").over_values().values == {}


def test_tables(results):
    test, validation = (curves(results, RATE, "mIoU", loader) for loader in ("test", "val"))
    lines = sweep_table(test, "rate", validation).splitlines()
    assert lines[0] == "|  | rate 0.1 | rate 1 | mean over rate | rate chosen on validation |"
    # Validation is best at 0.1, where the test is not.
    assert lines[2] == "| Ours | 11.00 ± 1.41 | 22.00 ± 2.83 | 16.50 ± 2.12 | 11.00 ± 1.41 (0.1) |"
    assert lines[3] == "| Free |  |  | 16.00 ± 1.41 |  |"
    gains = gain_table(test, "free", "rate").splitlines()
    assert gains[2:] == ["| Ours | -5.00 (0.00) | +6.00 (1.00) | +0.50 (0.50) |"]
