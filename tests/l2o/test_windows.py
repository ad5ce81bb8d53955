import pytest

from mmasg.l2o import WindowRule


def windows(rule, total):
    done, lengths = 0, []
    while done < total:
        lengths.append(rule.length(done))
        done += lengths[-1]
    return lengths


def test_rule_by_hand():
    rule = WindowRule(dict(min_iters=4, growth=5, iters_per_epoch=30))
    # First epoch: 4, then as many as done so far; the last one is cut at the epoch's end. Second:
    # p // 5 = 6 at once, then c + 6. Third: 60 // 5 = 12.
    assert windows(rule, 90) == [4, 4, 8, 14] + [6, 12, 12] + [12, 18]


@pytest.mark.parametrize(
    "name, per_epoch, epochs, decisions",
    [("visda", 4763, 30, 66), ("gta5", 2000, 50, 84)],
)
def test_papers_number_of_decisions(name, per_epoch, epochs, decisions):
    rule = WindowRule(name)
    rule.bind(None, per_epoch * epochs)
    lengths = windows(rule, per_epoch * epochs)
    assert len(lengths) - 1 == decisions  # nothing is decided after the last window
    assert sum(lengths) == per_epoch * epochs
    assert lengths[0] == {"visda": 10, "gta5": 20}[name]


def test_first_window_is_cut_at_a_short_epoch():
    rule = WindowRule(dict(min_iters=20, growth=20))
    rule.bind(6, 60)
    assert rule.length(0) == 6


def test_fixed_length_knows_no_epochs():
    rule = WindowRule(7)
    rule.bind(10, 28)
    assert windows(rule, 28) == [7, 7, 7, 7]


def test_who_knows_the_epochs_length():
    given = dict(min_iters=2, iters_per_epoch=9)
    for window, loop, expected in (
        ("visda", None, 4763),
        ("visda", 100, 100),
        (given, None, 9),
        (given, 9, 9),
        (dict(min_iters=2), None, 70),  # a loop without epochs is one as a whole
        (dict(min_iters=2), 100, 100),
    ):
        rule = WindowRule(window)
        rule.bind(loop, 70)
        assert rule.iters_per_epoch == expected
    with pytest.raises(ValueError, match="iters_per_epoch: got 9; allowed: 100, the length"):
        WindowRule(given).bind(100, 1000)


@pytest.mark.parametrize(
    "window, error, match",
    [
        (0, ValueError, "window: got 0; allowed: an integer >= 1"),
        (dict(min_iters=0), ValueError, "window.min_iters: got 0"),
        (dict(length=3), ValueError, "window: got {'length': 3}"),
        ("imagenet", ValueError, "allowed: .*'visda' or 'gta5'"),
        (2.5, TypeError, "window: got 2.5"),
    ],
)
def test_bad_windows(window, error, match):
    with pytest.raises(error, match=match):
        WindowRule(window)


@pytest.mark.parametrize("iters, length, count", [(240, 24, 10), (61, 7, 9), (100_000, 10_000, 10)])
def test_so_many_windows_in_a_run(iters, length, count):
    rule = WindowRule(dict(windows=10))
    assert rule.settings() == dict(windows=10)
    rule.bind(None, iters)
    done = lengths = 0
    while done < iters:
        assert rule.length(done) == length
        done, lengths = done + length, lengths + 1
    assert lengths == count and rule.settings() == dict(windows=10)
    with pytest.raises(ValueError, match="window.windows: got 0; allowed: an integer >= 1"):
        WindowRule(dict(windows=0))
