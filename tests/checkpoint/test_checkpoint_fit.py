import argparse
from collections import OrderedDict

import pytest
import torch
from engine_toy import EngineToyModel, run_toy, toy_config
from mmengine.config import Config
from mmengine.model import BaseTTAModel
from torch import nn

from mmasg.checkpoint.checkpoint_fit import fit, without_prefix
from mmasg.commands.command_line import add_fit_arguments, check_fit
from mmasg.prediction.image_prediction import load_weights


class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, classes)


def renamed(state, front):
    return OrderedDict((front + name, value) for name, value in state.items())


def test_everything_fits():
    state = Net().state_dict()
    model = Net()
    for weights in (state, renamed(state, "module."), {**state, "extra": torch.ones(1)}):
        found = fit(model, weights)
        assert not found.unfilled and not found.reshaped and not found.prefix and not found.part
        assert len(found.filled) == len(state) - 1, "num_batches_tracked does not count"
    assert found.left_over == ["extra"]
    assert all(map(torch.equal, model.state_dict().values(), state.values()))


def test_old_files_without_batch_counts_fit():
    state = {k: v for k, v in Net().state_dict().items() if "num_batches" not in k}
    assert not fit(Net(), state).unfilled


def test_another_number_of_classes_names_both_sides():
    found = fit(Net(3), Net(5).state_dict())
    assert found.unfilled == ["head.weight", "head.bias"]
    said = found.explain("a.pth", "--allow-partial")
    assert "a.pth does not fit the config's model: 2 of the model's 8 tensors" in said
    assert "head.weight: the model's (3, 4), the checkpoint's (5, 4)" in said
    assert "(backbone, num_classes), or, if you mean it, --allow-partial" in said


@pytest.mark.parametrize("fronts", [["model."], ["model.", "ema_model."], ["student.net."]])
def test_a_prefix_is_found_and_taken_away(fronts):
    state = Net().state_dict()
    file = {k: v for front in fronts for k, v in renamed(state, front).items()}
    found = fit(Net(), file)
    assert not found.filled and found.prefix == fronts[0]
    assert found.explain("a", "x").endswith(f"{fronts[0]!r} in front: --prefix {fronts[0]}")
    assert not fit(Net(), without_prefix(renamed(file, "module."), fronts[0])).unfilled
    with pytest.raises(ValueError, match=r"begins with 'x\.'; it has .*backbone.0.weight"):
        without_prefix(file, "x.")


def test_a_file_of_the_backbone_alone_is_told():
    found = fit(Net(), Net().backbone.state_dict())
    assert found.part == "backbone"
    assert "model.backbone.init_cfg=dict(type='Pretrained'" in found.explain("a", "x")


def test_versions_of_modules_reach_them():
    class Renamed(Net):
        def _load_from_state_dict(self, state, prefix, metadata, *rest):
            if metadata.get("version", 1) < 2:
                for kind in ("weight", "bias"):
                    state[f"head.{kind}"] = state.pop(f"old.{kind}")

    file = OrderedDict((k.replace("head.", "old."), v) for k, v in Net().state_dict().items())
    file._metadata = {"": {"version": 1}}
    assert not fit(Renamed(), file).unfilled


def test_a_model_for_augmented_tests_is_looked_through():
    class Augmented(BaseTTAModel):
        def merge_preds(self, data_samples_list):
            return data_samples_list

    class Testable(Net):
        test_step = None

    assert not fit(Augmented(Testable()), Net().state_dict()).unfilled


def start(tmp_path, weights, testing=False, **hook):
    torch.save(dict(state_dict=weights), tmp_path / "start.pth")
    config = toy_config(tmp_path / "run", max_iters=1, load_from=str(tmp_path / "start.pth"))
    config["custom_hooks"].append(dict(type="CheckpointFitHook", testing=testing, **hook))
    config["log_level"] = "WARNING"
    return run_toy(config)


def log_of(tmp_path):
    return sorted((tmp_path / "run").glob("*/*.log"))[-1].read_text()


def test_a_training_starts_from_a_backbone_and_says_what_it_lacks(tmp_path):
    weights = {k: torch.full_like(v, 0.5) for k, v in EngineToyModel().state_dict().items()}
    head = {k: torch.ones(3, *v.shape) if "head" in k else v for k, v in weights.items()}
    assert start(tmp_path, head).iter == 1
    said = "fits in part: 2 tensors are loaded; 2 of the model stay as they were initialised"
    assert said in log_of(tmp_path) and "head.weight: the model's (1, 4)" in log_of(tmp_path)


def test_a_training_without_any_backbone_is_refused(tmp_path):
    weights = EngineToyModel().state_dict()
    for wrong in (renamed(weights, "model."), {k: v for k, v in weights.items() if "head" in k}):
        with pytest.raises(ValueError, match="load_from: .*start.pth does not fit the config's"):
            start(tmp_path, wrong)
        assert start(tmp_path, wrong, allow_partial=True).iter == 1
    assert start(tmp_path, renamed(weights, "model."), prefix="model.").iter == 1
    with pytest.raises(ValueError, match="holds no tensors by name"):
        start(tmp_path, [1])


def test_a_test_needs_all_of_it(tmp_path):
    weights = EngineToyModel().state_dict()
    assert start(tmp_path, {**weights, "auxiliary": torch.ones(1)}, testing=True).iter == 1
    assert "1 of the file are not used (auxiliary)" in log_of(tmp_path)
    part = {k: v for k, v in weights.items() if k != "head.bias"}
    with pytest.raises(ValueError, match=r"1 of the model's 4 tensors .*\(head.bias\)"):
        start(tmp_path, part, testing=True)
    assert start(tmp_path, part, testing=True, allow_partial=True).iter == 1


def test_the_commands_switches_reach_the_hook():
    parser = argparse.ArgumentParser()
    add_fit_arguments(parser)
    cfg = Config(dict(custom_hooks=[dict(type="A"), dict(type="CheckpointFitHook", prefix="old.")]))
    check_fit(cfg, parser.parse_args(["--allow-partial", "--prefix", "model."]), testing=True)
    assert cfg.custom_hooks == [
        dict(type="A"),
        dict(type="CheckpointFitHook", testing=True, allow_partial=True, prefix="model."),
    ]


def test_prediction_takes_the_same_switches(tmp_path):
    path = str(tmp_path / "a.pth")
    torch.save(renamed(Net(5).state_dict(), "model."), path)
    with pytest.raises(ValueError, match=r"checkpoint: .*a.pth does not fit"):
        load_weights(Net(5), path)
    load_weights(Net(5), path, prefix="model.")
    with pytest.raises(ValueError, match="the checkpoint's .5, 4."):
        load_weights(Net(3), path, prefix="model.")
    model = Net(3)
    load_weights(model, path, allow_partial=True, prefix="model.")
    assert torch.equal(model.backbone[0].weight, torch.load(path)["model.backbone.0.weight"])
