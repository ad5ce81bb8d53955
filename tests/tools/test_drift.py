import json

import pytest
from load_tool import load_tool

from mmasg.benchmark.results import Result


def write_run(folder, name, kl):
    run = folder / f"{name}_seed0"
    log = run / "20260101" / "vis_data"
    log.mkdir(parents=True)
    records = [{"step": s, "loss": 1.0, **({} if kl is None else {"kl_imagenet": kl * s})}
               for s in (1, 2)]  # fmt: skip
    (log / "scalars.json").write_text("".join(json.dumps(r) + "\n" for r in records))
    (run / "state.json").write_text('{"trained": "iter_2.pth"}')
    tests = {"target": "test_dataloader"}
    metrics = {p: {"test_dataloader": {"mIoU": 30.0}} for p in ("1", "last")}
    result = Result(name, "", name, 0, "x.py", [], "", str(run), tests, metrics=metrics)
    result.write(folder / "results" / f"{name}_seed0.json")


def test_table_and_picture_of_all_arms(tmp_path, capsys):
    write_run(tmp_path, "base", 0.2)
    write_run(tmp_path, "ours", 0.1)
    write_run(tmp_path, "blind", None)
    load_tool("analysis/drift").main([str(tmp_path)])
    out = capsys.readouterr().out
    assert "| arm | iteration | KL to the ImageNet teacher | mIoU (target) |" in out
    # At 2 the mean of what was logged until then: (0.2 + 0.4) / 2.
    assert "| base | 1 | 0.2 | 30 |" in out and "| base | 2 | 0.3 | 30 |" in out
    assert "blind, seed 0: no kl_imagenet" in out
    assert (tmp_path / "drift.png").stat().st_size > 10_000
    assert "| ours | 2 | 0.15 | 30 |" in (tmp_path / "drift.md").read_text()


def test_what_cannot_be_drawn(tmp_path):
    write_run(tmp_path, "blind", None)
    tool = load_tool("analysis/drift")
    with pytest.raises(ValueError, match="no run has logged kl_imagenet.*loss_weight=0"):
        tool.main([str(tmp_path)])
    with pytest.raises(ValueError, match="--test: got 'targt'.*Did you mean 'target'"):
        tool.main([str(tmp_path), "--test", "targt"])
    with pytest.raises(FileNotFoundError, match="no results below"):
        tool.main([str(tmp_path / "nothing")])
