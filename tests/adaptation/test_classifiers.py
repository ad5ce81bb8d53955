"""The forms of adaptation for classifiers: images in folders, whose names are not looked at."""

import json

import pytest
import street_files
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from seg_toy import resnet18
from self_train_tools import label

CLASSES = ["cup", "jar", "pot"]
CONFIG = """
default_scope = 'mmseg'
pipeline = [dict(type='LoadImageFromFile'), dict(type='PackClassification')]
model = dict(type='SynRealClassifier', backbone={backbone!r},
    head=dict(type='MLPClassifierHead', in_channels=64, num_classes=3, hidden_channels=None))
train_dataloader = dict(batch_size=4, num_workers=0,
    sampler=dict(type='KeyedDefaultSampler', shuffle=True),
    dataset=dict(type='KeyedRandomnessDataset', dataset=dict(
        type='FolderClassificationDataset', data_root={root!r} + '/source', pipeline=pipeline,
        metainfo=dict(classes={classes!r}))))
test_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler'),
    dataset=dict(type='FolderClassificationDataset', data_root={root!r} + '/target',
                 metainfo=dict(classes={classes!r}), pipeline=pipeline, test_mode=True))
test_cfg = dict(type='TestLoop')
test_evaluator = dict(type='PerClassAccuracy')
target_dataset = dict(type='UnlabelledImages', data_root={root!r} + '/target', pipeline=pipeline)
train_cfg = dict(type='ResumableEpochBasedTrainLoop', max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', by_epoch=True, interval=1),
    keyed_randomness=dict(type='KeyedRandomnessHook'))
randomness = dict(seed=0)
work_dir = {root!r} + '/run'
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("classifiers")
    for domain, count in (("source", 2), ("target", 3)):
        for place, name in enumerate(CLASSES):
            for number in range(count):
                file = root / domain / name / f"{number}.png"
                street_files.write_image(file, (32, 32), 20 * place + number)
    text = CONFIG.format(backbone=dict(resnet18()), root=str(root), classes=CLASSES)
    (root / "config.py").write_text(text)
    init_default_scope("mmseg")
    torch.manual_seed(1)
    model = MODELS.build(Config.fromfile(root / "config.py").model)
    model.head.fc[0].weight.data.mul_(20)  # sure of something
    torch.save(model.state_dict(), root / "source.pth")
    return root


def run(cfg, name):
    cfg.experiment_name = f"classifiers_{name}"
    runner = Runner.from_cfg(cfg)
    seen = []
    parse = runner.model.parse_losses
    runner.model.parse_losses = lambda losses: seen.append(losses) or parse(losses)
    runner.train()
    return runner, seen


def test_a_round_labels_a_list_and_trains_on_it(folder):
    from mmasg.adaptation.self_training import Rounds, round_config

    out = folder / "labels"
    options = ("--soft", 0.5, "--mirror", "--portion", 0.6, "--show-dir", folder / "pictures")
    text = label(folder / "config.py", folder / "source.pth", "--out", out, *options)
    assert "% of the images get no label; 9 frames" in text
    lines = (out / "image_list.txt").read_text().splitlines()
    summary = json.loads((out / "pseudo_labels.json").read_text())
    kept = sum(summary["kept"].values())
    assert 100 * len(lines) / 9 == pytest.approx(kept, abs=1e-2) and 0 < len(lines) <= 9
    assert len(list((folder / "pictures").rglob("*.jpg"))) == len(lines)
    # By hand, image by image and its mirror image.
    cfg = Config.fromfile(folder / "config.py")
    model = MODELS.build(cfg.model)
    model.load_state_dict(torch.load(folder / "source.pth"))
    model.eval()
    for line in lines:
        name, chosen = line.rsplit(" ", 1)
        image = torch.from_numpy(street_files.read(folder / "target" / name).copy())
        image = image.permute(2, 0, 1).flip(0)
        both = [image, image.flip(2)]
        with torch.no_grad():
            data = model.data_preprocessor(dict(inputs=both, data_samples=None))
            p = model(data["inputs"]).softmax(1).mean(0)
        limits = [summary["thresholds"][c] or float("inf") for c in CLASSES]
        assert int((p / torch.tensor(limits)).argmax()) == int(chosen)
    rounds = Rounds(iters=2, regularizer="lrent")
    made = round_config(cfg, out, folder / "source.pth", folder / "round", rounds)
    assert made.train_cfg.max_iters == 2
    runner, seen = run(made, "round")
    assert "loss_lrent" in seen[0] and (folder / "round/iter_2.pth").is_file()
    samples = runner.train_dataloader.dataset.dataset.datasets[1]
    assert len(samples) == len(lines)
    # Labels that contradict the folders' names are taken as they are.
    assert {s["gt_label"] for s in map(samples.get_data_info, range(len(samples)))} == {
        int(line.rsplit(" ", 1)[1]) for line in lines
    }


def test_a_mean_teacher_by_hand_and_its_folders_names_do_not_matter(folder, monkeypatch):
    monkeypatch.setattr("mmasg.adaptation.mean_teacher_hook.strong_augmentation", lambda x: x)
    ends = []
    for kind in ("UnlabelledImages", "FolderClassificationDataset"):
        cfg = Config.fromfile(folder / "config.py")
        dataset = dict(
            type=kind, data_root=str(folder / "target"), pipeline=cfg.pipeline,
            metainfo=dict(classes=CLASSES),
        )  # fmt: skip
        hook = dict(
            type="MeanTeacherHook", threshold=0.3, target=dict(batch_size=3, dataset=dataset)
        )
        cfg.custom_hooks = [hook]
        cfg.load_from = str(folder / "source.pth")
        cfg.work_dir = str(folder / kind)
        runner, seen = run(cfg, kind)
        ends.append(runner.model.state_dict())
        teacher = next(h for h in runner.hooks if type(h).__name__ == "MeanTeacherHook")
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    # The surest of three classes is above 0.3 in every image.
    assert len(seen) == 2 and float(seen[0]["target_confidence"]) == 1.0
    teacher.threshold = 0.9
    probabilities = torch.tensor([[0.95, 0.04, 0.01], [0.5, 0.3, 0.2]])
    monkeypatch.setattr(
        teacher,
        "teacher",
        type("T", (), dict(probabilities=lambda s, x: probabilities[..., None, None]))(),
    )
    frames = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    samples = [s.clone() for s in _samples(2)]
    teacher._target = dict(inputs=list(frames), data_samples=samples)
    model = runner.model.eval()
    losses = teacher.target_losses(model, {})
    data = model.data_preprocessor(dict(inputs=list(frames), data_samples=samples))
    expected = F.cross_entropy(model(data["inputs"])[:1], torch.tensor([0])) / 2
    assert float(losses["loss_teacher"]) == pytest.approx(float(expected), rel=1e-5)
    assert float(losses["target_confidence"]) == 0.5


def _samples(count):
    from mmasg.datasets.classification_sample import ClassificationSample

    return [ClassificationSample() for _ in range(count)]
