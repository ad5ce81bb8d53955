import pytest

from mmasg.datasets.video_runs import find_runs, split_runs


def frames(runs):
    return [list(run.frames) for run in runs]


def test_runs_by_numbers():
    names = ["000003", "000001", "000002", "000050", "000051", "b/000052", "title"]
    assert frames(find_runs(names, gap=10)) == [
        ["000001", "000002", "000003"], ["000050", "000051"], ["b/000052"], ["title"],
    ]  # fmt: skip
    assert len(find_runs(names, gap=100)) == 3
    # The median step is 1, so that a step of more than 100 begins a run.
    assert len(find_runs([*names, "000151"])) == 3
    assert len(find_runs([*names, "000152"])) == 4


def test_runs_by_prefix_decimals_and_times():
    assert frames(find_runs(["seq1_2", "seq2_1", "seq1_1"])) == [["seq1_1", "seq1_2"], ["seq2_1"]]
    assert len(find_runs(["1508.25", "1508.5", "1520.0"], gap=1)) == 2
    # 23:59:59 and 00:00:01 are two seconds apart, whatever the digits look like.
    times = [
        "cam_2017-12-31_23-59-59.5_left",
        "cam_20180101T000001_left",
        "cam_20180101T000101_left",
    ]
    assert frames(find_runs(times, gap=2)) == [times[:2], times[2:]]
    # Digits that are no date are a number.
    assert len(find_runs(["20179915035712", "20179915035713"], gap=1)) == 1


def test_runs_by_a_pattern():
    names = ["a_7_x", "a_9_y", "b_7_x"]
    assert frames(find_runs(names, pattern=r"^(?P<run>\w)_")) == [["a_7_x", "a_9_y"], ["b_7_x"]]
    found = find_runs(names, gap=1, pattern=r"^(?P<run>\w)_(?P<frame>\d)")
    assert frames(found) == [["a_7_x"], ["a_9_y"], ["b_7_x"]]


def test_splits_keep_runs_whole_and_meet_the_shares():
    names = [
        f"{start + i:06d}" for start in range(0, 40000, 1000) for i in range(10 + start // 4000)
    ]
    runs = find_runs(names, gap=50)
    assert len(runs) == 40
    lists = split_runs(runs, {"val": 0.1, "test": 0.2})
    assert list(lists) == ["train", "val", "test"]
    assert sorted(sum(lists.values(), [])) == names
    for run in runs:
        assert len({part for part, some in lists.items() if set(run.frames) & set(some)}) == 1
    # The largest run has 19 of 580 frames: no share is missed by more than half of it.
    assert len(lists["val"]) == pytest.approx(58, abs=10)
    assert len(lists["test"]) == pytest.approx(116, abs=10)
    assert split_runs(runs[::-1], {"val": 0.1, "test": 0.2}) == lists
    assert split_runs(runs, {"val": 0.1}, seed=1)["val"] != split_runs(runs, {"val": 0.1})["val"]


def test_two_runs_are_one_for_each():
    lists = split_runs(find_runs(["1", "2", "3", "99"], gap=5), {"val": 0.01})
    assert lists == {"train": ["1", "2", "3"], "val": ["99"]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: find_runs([]), "no frames to find runs in"),
        (lambda: find_runs(["1"], gap=0), "--gap: got 0"),
        (lambda: find_runs(["1"], pattern="("), "--pattern: got '\\('; allowed: a regular"),
        (lambda: find_runs(["1"], pattern=r"\d"), r"a group \(\?P<run>"),
        (lambda: find_runs(["1"], pattern="(?P<run>x)"), "fits every name; '1' not"),
        (lambda: find_runs(["xa"], pattern="(?P<run>x)(?P<frame>a)"), "a number; in 'xa' 'a'"),
        (lambda: split_runs(find_runs(["1", "2"]), {"val": 0.1}), r"got '1 run\(s\): 1\[2\]'"),
        (lambda: split_runs([], {"val": 1.0}), "sum to less than 1"),
        (lambda: split_runs([], {"val": 0.5, "test": 0}), "shares above 0"),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
