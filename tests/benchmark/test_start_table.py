import pytest
from quick_run import CONFIG, QuickRun, quick_run, write_config

from mmasg.benchmark import comparison as module
from mmasg.benchmark.comparison import Comparison
from mmasg.benchmark.pool import run_all
from mmasg.benchmark.results import LAST, Result
from mmasg.benchmark.run_commands import train_command
from mmasg.benchmark.start_table import adaptation_arms, start_table

LOADER = "test_dataloader"


def result(name, seed, value, start=""):
    metrics = {LAST: {LOADER: {"mIoU": value}}}
    return Result(
        name, "", name, seed, "x.py", [], "", "", {"t": LOADER}, 1.0, metrics, start=start
    )


def test_arms_are_the_starts_every_way_from_each_and_the_rest():
    arms = adaptation_arms(["a=a.py", "b=b.py"], ["c.py", "d.py"], ["top.py"], ["x=1"])
    assert [arm.name for arm in arms] == ["a", "b", "a,c", "a,d", "b,c", "b,d", "top"]
    assert [arm.start for arm in arms] == ["", "", "a", "a", "b", "b", ""]
    files = ["x/p_one.py", "x/p_one_two.py"], ["x/p_adapt_c.py", "x/p_adapt_d.py"], ["x/p_top.py"]
    assert [arm.name for arm in adaptation_arms(*files)][1:] == [
        "one_two", "one,c", "one,d", "one_two,c", "one_two,d", "top"
    ]  # fmt: skip
    assert arms[3].config == "d.py" and all(arm.options == ("x=1",) for arm in arms)


def test_the_table_by_hand():
    results = [result("a", s, 10.0 + s) for s in (0, 1)]
    results += [result("b", s, 12.0 + 2 * s) for s in (0, 1)]
    results += [result("a,c", s, 15.0 + s, "a") for s in (0, 1)]
    results += [result("b,c", 0, 20.0, "b"), result("top", 0, 50.0)]
    lines = start_table(results, ["a", "b"], "mIoU", LOADER).splitlines()
    assert lines[0] == "|  | a | b | b - a | gain from a | gain from b |"
    start = "| the start | 10.50 ± 0.71 | 13.00 ± 1.41 | +2.50 ± 0.71 (0.50) |  |  |"
    assert lines[2] == start
    assert lines[3] == (
        "| c | 15.50 ± 0.71 | 20.00 ± - | +5.00 ± - (-) | +5.00 ± 0.00 (0.00) | +8.00 ± - (-) |"
    )
    assert lines[4] == "| top | 50.00 ± - |  |  |  |  |" and len(lines) == 5


def test_commands(tmp_path):
    start = tmp_path / "start.pth"
    folder = tmp_path / "run"
    folder.mkdir()
    alone = train_command("c.py", folder, ["a=1"], None, False)
    assert alone[1:] == ["c.py", "--work-dir", str(folder), "--resume", "--cfg-options", "a=1"]
    begun = train_command("c.py", folder, ["a=1"], start, False)
    assert begun[-3:] == ["--cfg-options", "a=1", f"load_from={start}"] and "--resume" not in begun
    (folder / "last_checkpoint").write_text("x")
    assert train_command("c.py", folder, ["a=1"], start, False)[1:] == alone[1:]
    rounds = train_command("c.py", folder, ["a=1"], start, True)
    assert rounds[0].endswith("self_train.py") and rounds[1:3] == ["c.py", str(start)]


def test_a_run_waits_for_its_start_and_fails_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(QuickRun, "scores", {"a": None})
    start = quick_run(tmp_path, "a")
    after = quick_run(tmp_path, "b", start=start)
    failures = run_all([start, after], workers=2)
    assert len(failures) == 2 and "what it starts from, a_seed0, failed" in failures[1]
    monkeypatch.setattr(QuickRun, "scores", {})
    assert run_all([start, after], workers=2) == []
    assert start.checkpoint().name == "iter_20.pth"
    # Another start makes another run of it.
    other = quick_run(tmp_path, "a", text=CONFIG + "lr = 0.5\n")
    assert not quick_run(tmp_path, "b", start=other).finished()
    assert quick_run(tmp_path, "b", start=start).finished()


def test_a_start_has_to_be_there(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Run", QuickRun)
    config = write_config(tmp_path)
    arms = adaptation_arms([f"a={config}"], [f"c={config}"])
    with pytest.raises(ValueError, match=r"start of a,c: got 'a'; allowed: a,c. Run it as well"):
        Comparison(tmp_path / "out", {"t": LOADER}, arms[1:], [0]).run()
    comparison = Comparison(tmp_path / "out", {"t": LOADER}, arms, [0])
    assert comparison.run(workers=1) == []
    assert set(Comparison.found(tmp_path / "out").arms) == set(comparison.arms)
