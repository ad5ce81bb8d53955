"""Pseudo labels and rounds of self-training, as a user types them, on a few small frames."""

import json
from pathlib import Path

import numpy as np
import pytest
import street_files
import torch
from load_tool import load_tool
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from PIL import Image
from self_train_tools import command, label

from mmasg.adaptation.pseudo_labels import made_before, shrunk_to
from mmasg.adaptation.self_training import Rounds, round_config
from mmasg.datasets.doctor.inspection import check_config

ROOT = Path(__file__).resolve().parents[2]
SIZE = (64, 64)
CONFIG = """
_base_ = {base!r}
train_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(32, 32)), dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=2, dataset=dict(dataset=dict(data_root={source!r}, pipeline=train_pipeline)))
target_dataset = dict(
    type='Cityscapes19Dataset', data_root={target!r},
    data_prefix=dict(img_path='leftImg8bit/val'), pipeline=train_pipeline)
test_dataloader = dict(dataset=dict(data_root={target!r}))
train_cfg = dict(max_iters=2)
model = dict(data_preprocessor=dict(size=(32, 32)))
val_cfg = val_dataloader = val_evaluator = None
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2), logger=dict(interval=1))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("self_train")
    for number in range(1, 5):
        street_files.write_image(root / f"gta5/images/{number:05d}.png", SIZE, number)
        label = root / f"gta5/labels/{number:05d}_labelTrainIds.png"
        street_files.write_ids(label, [0, 13, 10], size=SIZE)
    (root / "gta5/train.txt").write_text("00001\n00002\n00003\n00004\n")
    for number in range(3):
        name = f"val/ulm/ulm_{number:06d}_000019"
        frames = root / "cityscapes/leftImg8bit"
        street_files.write_image(frames / f"{name}_leftImg8bit.png", SIZE, 50 + number)
        # Were the target's labels ever opened, this would end the run.
        label = root / f"cityscapes/gtFine/{name}_gtFine_labelTrainIds.png"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_bytes(b"no image")
    (root / "config.py").write_text(
        CONFIG.format(
            base=str(ROOT / "configs/asg/mini_gta2cityscapes_baseline.py"),
            source=str(root / "gta5"),
            target=str(root / "cityscapes"),
        )
    )
    init_default_scope("mmseg")
    model = MODELS.build(Config.fromfile(root / "config.py").model)
    torch.save(model.state_dict(), root / "source.pth")
    return root


def test_rounds_label_train_and_are_not_done_twice(folder, capsys):
    work_dir = folder / "adapted"
    words = (folder / "config.py", folder / "source.pth", "--rounds", 2)
    words += ("--work-dir", work_dir, "--iters", 2, "--regularizer", "lrent", "--mirror")
    command("self_train", *words)
    assert f"adapted: {work_dir}/round_2/train/iter_2.pth" in capsys.readouterr().out
    for number, portion in ((1, 0.2), (2, 0.25)):
        labels = work_dir / f"round_{number}/labels"
        summary = json.loads((labels / "pseudo_labels.json").read_text())
        assert summary["portion"] == portion
        files = sorted(labels.rglob("*.png"))
        assert [str(f.relative_to(labels)) for f in files] == [
            f"ulm/ulm_{n:06d}_000019_gtFine_labelTrainIds.png" for n in range(3)
        ]
        pixels = np.stack([np.asarray(Image.open(f)) for f in files])
        assert pixels.shape == (3, 64, 64) and pixels.dtype == np.uint8
        assert summary["ignored"] == pytest.approx(100 * (pixels == 255).mean(), abs=1e-3)
        kept, predicted = sum(summary["kept"].values()), sum(summary["predicted"].values())
        assert predicted == pytest.approx(100, abs=0.1)
        # The portion of every class's pixels, and those where a lower threshold wins.
        assert kept >= 100 * portion - 1e-3
        assert len(list((work_dir / f"round_{number}/pictures").glob("*.jpg"))) == 3
        assert summary["mirror"] and summary["classes"][0] == "road"
        assert not (labels / ".predictions").exists()
    made = Config.fromfile(work_dir / "round_2/config.py")
    assert made.load_from == str(work_dir / "round_1/train/iter_2.pth")
    assert made.custom_hooks[-1] == dict(type="SelfTrainingHook", soft_labels=True)
    soft = sorted(f.name for f in (work_dir / "round_2/labels_soft/ulm").iterdir())
    assert soft[0] == "ulm_000000_000019_gtFine_labelTrainIds.classes.png" and len(soft) == 6
    logs = [file.read_text() for file in (work_dir / "round_2/train").rglob("*.log")]
    assert any("loss_lrent" in log for log in logs)
    assert (work_dir / "last_checkpoint").read_text().endswith("round_2/train/iter_2.pth")
    # The second round again, as if it had been killed after its first iteration: its labels are
    # there, so the training alone goes on.
    last = work_dir / "round_2/train/iter_2.pth"
    before = torch.load(last, weights_only=False)["state_dict"]
    last.unlink()
    (last.parent / "last_checkpoint").write_text(str(last.parent / "iter_1.pth"))
    command("self_train", *words)
    text = capsys.readouterr().out
    assert "round 1 is done" in text and "round 2 is done" not in text
    after = torch.load(last, weights_only=False)["state_dict"]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_labels_are_made_once_and_not_mixed_up(folder):
    out = folder / "labels"
    words = (folder / "config.py", folder / "source.pth", "--out", out)
    text = label(*words)
    assert "get no label; 3 frames: " in text and "road" in text
    stamps = {f: f.stat().st_mtime_ns for f in out.rglob("*.png")}
    assert label(*words) == text
    assert stamps == {f: f.stat().st_mtime_ns for f in out.rglob("*.png")}
    # Ordinary label files: the doctor reads source and target of a round.
    cfg = Config.fromfile(folder / "config.py")
    made = round_config(cfg, out, folder / "source.pth", folder / "round", Rounds())
    made.test_dataloader = made.val_dataloader = None
    (report,) = check_config(made, samples=None, workers=1)
    assert not report.errors and report.listed == 7
    with pytest.raises(ValueError, match=r"of other settings \(portion 0.2, not 0.5\)"):
        label(*words, "--portion", 0.5)
    (out / "pseudo_labels.json").write_text("[]")
    with pytest.raises(ValueError, match="is no account of pseudo labels"):
        made_before(out, dict(portion=0.2))


def test_a_collapse_is_named():
    assert shrunk_to(dict(kept=dict(road=30.0, sky=0.5))) == "road"
    assert shrunk_to(dict(kept=dict(road=30.0, sky=5.0))) is None
    assert shrunk_to(dict(kept=dict(road=0.0))) is None


def test_rounds_are_read_from_the_config_and_the_command_line(folder):
    cfg = Config(dict(self_training=dict(rounds=5, regularizer="mrkld", iters=7)))
    rounds = Rounds.of(cfg, dict(rounds=2, iters=None, alpha=0.3))
    assert (rounds.rounds, rounds.iters, rounds.soft) == (2, 7, None)
    loss = dict(type="MRKLDLoss", loss_weight=0.3)
    assert rounds.hook() == dict(type="SelfTrainingHook", regularizer=loss)
    assert Rounds().hook() is None and Rounds(regularizer="lrent").soft == 0.25
    with pytest.raises(TypeError, match="self_training: got 3"):
        Rounds.of(Config(dict(self_training=3)), {})
    # A sampler of rare classes stays, and deals the source's part.
    cfg = Config.fromfile(folder / "config.py")
    cfg.train_dataloader.sampler = dict(type="RareClassSampler", temperature=0.1)
    made = round_config(cfg, folder, folder / "source.pth", folder, Rounds())
    assert made.train_dataloader.sampler == dict(
        type="RareClassSampler", temperature=0.1, shuffle=True, ratio=[1, 1]
    )
    target = made.train_dataloader.dataset.dataset.datasets[1]
    assert target.pipeline[-1].type == "PackPseudoLabels"


def test_portions_grow_to_a_cap():
    assert [Rounds().portion(n) for n in range(8)] == [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.5]


def test_a_command_that_fails_ends_the_rounds():
    with pytest.raises(SystemExit, match="2"):
        load_tool("self_train").run("no_such_tool.py")


def test_errors(folder):
    checkpoint = folder / "source.pth"
    cfg = Config.fromfile(folder / "config.py")
    with pytest.raises(ValueError, match="--ratio: 2:1 does not divide batches of 2"):
        round_config(cfg, folder, checkpoint, folder, Rounds(ratio=(2, 1)))
    labels = ("--out", folder / "x")
    with pytest.raises(ValueError, match="target_dataset: the config has none. Add"):
        label(ROOT / "configs/asg/mini_gta2cityscapes_baseline.py", checkpoint, *labels)
    with pytest.raises(ValueError, match=r"--portion: got 0.0; allowed"):
        label(folder / "config.py", checkpoint, *labels, "--portion", 0)
    nowhere = f"target_dataset.data_prefix.img_path={folder}/nowhere"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        label(folder / "config.py", checkpoint, *labels, "--cfg-options", nowhere)
