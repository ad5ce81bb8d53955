import math

import pytest

from mmasg.l2o import EpisodeDraws

DRAWS = [
    dict(
        choice=[
            {
                "optimizer.type": "SGD",
                "draws": [dict(log_uniform=(0.002, 0.6), keys="optimizer.lr")],
            },
            {
                "optimizer.type": "AdamW",
                "draws": [dict(log_uniform=(1e-5, 1e-2), keys="optimizer.lr")],
            },
        ]
    ),
    dict(log_uniform=(60, 400), keys={"max_iters": 1, "warmup": 0.125}, integer=True),
    dict(uniform=(0.0, 1.0), keys="weight"),
    dict(subset=(40, 350), of=350, keys="indices"),
]


def test_the_same_seed_draws_the_same():
    draws = EpisodeDraws(DRAWS)
    assert draws(5) == EpisodeDraws(DRAWS)(5) != draws(6)
    shorter = EpisodeDraws(DRAWS[:2])(5)  # what one factor draws does not depend on others
    assert shorter.items() <= draws(5).items()


def test_ranges_and_what_goes_together():
    found = [EpisodeDraws(DRAWS)(seed) for seed in range(400)]
    assert 150 < sum(f["optimizer.type"] == "SGD" for f in found) < 250  # sd 10
    for f in found:
        low, high = (0.002, 0.6) if f["optimizer.type"] == "SGD" else (1e-5, 1e-2)
        assert low <= f["optimizer.lr"] <= high
        assert 60 <= f["max_iters"] <= 400 and isinstance(f["max_iters"], int)
        assert abs(f["warmup"] - f["max_iters"] / 8) <= 0.57
        assert 40 <= len(f["indices"]) <= 350 and f["indices"] == sorted(set(f["indices"]))
        assert 0 <= f["indices"][0] and f["indices"][-1] < 350
        assert 0 <= f["weight"] <= 1
    # Log-uniform: the logarithm's mean is the middle, its sd 1/sqrt(12) of the range.
    logs = [math.log(f["max_iters"] / 60) / math.log(400 / 60) for f in found]
    assert sum(logs) / 400 == pytest.approx(0.5, abs=4 * 0.29 / 20)


@pytest.mark.parametrize(
    "factor, match",
    [
        (dict(keys="a"), "a dict with one of choice, log_uniform"),
        (dict(uniform=(0, 1), log_uniform=(1, 2), keys="a"), "a dict with one of"),
        (dict(uniform=(0, 1)), r"got \['uniform'\]; allowed: integer, keys, uniform"),
        (dict(uniform=(1, 0), keys="a"), r"draws\[0\].uniform: got \(1, 0\); allowed: \(low"),
        (dict(log_uniform=(0, 1), keys="a"), "log_uniform: got .*both above 0"),
        (dict(choice=[]), r"choice: got \[\]; allowed: a list of dicts"),
        (dict(choice=[dict(draws=[dict(unifrom=(0, 1))])]), r"choice\[0\].draws\[0\]: got"),
        (dict(subset=(1, 9), of=5, keys="a"), "subset: got .*; allowed: sizes up to 5"),
    ],
)
def test_bad_factors(factor, match):
    with pytest.raises(ValueError, match=match):
        EpisodeDraws([factor])
