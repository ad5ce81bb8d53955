"""Wrong inputs of comparisons; the rest is in tests/error_cases.py."""

import json

from error_cases import case
from load_tool import load_tool
from quick_run import quick_run, write_config

from mmasg.benchmark.arms import Arm, make_arms, select
from mmasg.benchmark.comparison import Comparison
from mmasg.benchmark.oracle import oracle_arms
from mmasg.benchmark.results import LAST, Result
from mmasg.benchmark.sweep import sweep_arms


def result(metrics):
    return Result("x", "", "X", 0, "x.py", [], "", "", metrics={LAST: {"test": metrics}})


@case("Comparing", "a set of options without a name", "--name-option", "'NAME:KEY=VALUE")
def _(folder, patch):
    make_arms(["a.py"], ["optim_wrapper.optimizer.lr=0.1"])


@case("Comparing", "two configs of one name", "got 'a'", "NAME=FILE")
def _(folder, patch):
    make_arms(["x/a.py", "y/a.py"])


@case("Comparing", "`--only` with an arm that there is not", "--only", "Did you mean")
def _(folder, patch):
    select([Arm("baseline", "a.py", group="seg")], ["seg_bseline"])


@case("Comparing", "`--tests` with a dataloader that the config has not", "--tests", "Did you mean")
def _(folder, patch):
    quick_run(folder, tests={"t": "tst_dataloader"})


@case("Comparing", "`--tests` without a name", "--tests", "NAME=DATALOADER")
def _(folder, patch):
    load_tool("compare_arms").read_tests(["=val_dataloader"])


@case("Comparing", "`--also-at` after the end of the training", "--also-at", "1 to 20")
def _(folder, patch):
    quick_run(folder, also_at=[40])


@case("Comparing", "`--metrics` with one that was not measured", "got 'mIoUs'", "Did you mean")
def _(folder, patch):
    result({"mIoU": 1.0}).value("mIoUs", "test")


@case("Comparing", "`--table-only` in a folder without results", "results", "run")
def _(folder, patch):
    Comparison.found(folder)


@case("Comparing", "a result file that is none", "x.json", "Remove it and")
def _(folder, patch):
    (folder / "results").mkdir()
    (folder / "results/x.json").write_text(json.dumps({"mIoU": 1}))
    Comparison.found(folder)


@case("Comparing", "a sweep over what is no number", "--values", "numbers, each once")
def _(folder, patch):
    sweep_arms([Arm("a", "a.py")], "optim_wrapper.optimizer.lr", ["0.1", "small"])


@case("Comparing", "`--once` with an arm that there is not", "--once", "Did you mean 'prodigy'")
def _(folder, patch):
    sweep_arms([Arm("prodigy", "a.py")], "optim_wrapper.optimizer.lr", ["0.1"], ["prodgy"])


@case("Comparing", "an oracle over layer groups without a preset", "paramwise_cfg", "--name-option")
def _(folder, patch):
    text = "optim_wrapper = dict(paramwise_cfg=dict(groups=[dict(name='all', rest=True)]))\n"
    oracle_arms(write_config(folder, text=text), ["0.1"], ["1"], {})
