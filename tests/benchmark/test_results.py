import math

import pytest

from mmasg.benchmark.results import LAST, Result, main_metric, read_results

SEG = {"aAcc": 61.4, "mIoU": 19.2, "IoU/road": 75.1, "IoU/sky": math.nan, "Acc/road": 80.0}
CLS = {"accuracy/car": 50.0, "accuracy/mean": 43.0, "accuracy/overall": 44.0}


def result(metrics, seed=0):
    return Result("x", "", "X", seed, "x.py", [], "", "", metrics={LAST: {"loader": metrics}})


def test_a_file_keeps_all_of_it(tmp_path):
    for seed in (10, 2):
        result(SEG, seed).write(tmp_path / "results" / f"x_seed{seed}.json")
    there = read_results(tmp_path)
    assert sorted(r.seed for r in there) == [2, 10]
    assert there[0].of("loader")["mIoU"] == 19.2
    assert math.isnan(there[0].classes("loader")["sky"]) and math.isnan(there[0].seconds)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/x.json").write_text('{"mIoU": 1}')
    with pytest.raises(ValueError, match="x.json: it is no result of a comparison"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    "metrics, main, classes",
    [
        (SEG, "mIoU", {"road", "sky"}),
        (CLS, "accuracy/mean", {"car"}),
        ({"night/mIoU": 1.0, "night/IoU/road": 2.0}, "mIoU", {"road"}),
    ],
)
def test_tasks_are_known_by_their_metrics(metrics, main, classes):
    assert main_metric([result(metrics)], "loader") == main
    assert set(result(metrics).classes("loader")) == classes
    assert result(metrics).value(main, "loader") > 0


def test_values_by_name():
    assert result(SEG).value("aAcc", "loader") == 61.4
    assert result(CLS).value("overall", "loader") == 44.0
    assert math.isnan(result(SEG).value("mIoU", "another_loader"))
    assert math.isnan(result(SEG).value("mIoU", "loader", "500"))


def test_metrics_that_are_not_there_or_ambiguous():
    with pytest.raises(ValueError, match="got 'mIoUs'; allowed: aAcc, mIoU. Did you mean 'mIoU'"):
        result(SEG).value("mIoUs", "loader")
    with pytest.raises(ValueError, match="2 end so"):
        result({"day/mIoU": 1.0, "night/mIoU": 1.0}).value("mIoU", "loader")
    with pytest.raises(
        ValueError, match="--metrics: neither mIoU nor accuracy/mean.*name one of b"
    ):
        main_metric([result({"b": 1.0})], "loader")
