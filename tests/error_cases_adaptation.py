"""Wrong inputs of adaptation to a target; read by test_errors_page.py."""

import argparse
from pathlib import Path

import target_toy  # noqa: F401  (registers its data set)
from error_cases import case
from mmengine.config import Config
from street_files import write_image

from mmasg.adaptation import RareClassSampler, SelfTrainingHook
from mmasg.adaptation.pseudo_labels import made_before
from mmasg.adaptation.self_training import Rounds, round_config
from mmasg.adaptation.target_frames import TargetFrames
from mmasg.adaptation.target_stream import TargetStream
from mmasg.commands.command_line import read_config
from mmasg.datasets import UnlabelledImages

ROOT = Path(__file__).parents[1]
WHERE = "Adaptation"


def config(name, **options):
    return read_config(
        argparse.Namespace(
            config=str(ROOT / f"configs/asg/{name}.py"),
            cfg_options=options,
            work_dir="x",
            launcher="none",
            local_rank=0,
        )
    )


def frames(folder, **options):
    write_image(folder / "a.png", (8, 8), 1)
    options = {"target_dataset.data_root": str(folder), **options}
    return TargetFrames(config("pacs_cartoon2photo_adapt_cbst", **options))


def stream(**dataset):
    config = dict(dataset=dict(type="UnlabelledToy", **dataset))
    return TargetStream(config, "MeanTeacherHook.target", ("a", "b", "c"), 0)


@case(WHERE, "no target in the config", "target_dataset: the config has none", "UnlabelledImages")
def _(folder, patch):
    TargetFrames(Config.fromfile(ROOT / "configs/asg/mini_gta2cityscapes_baseline.py"))


@case(WHERE, "a target folder without images", "UnlabelledImages.data_root: no image", "Name the")
def _(folder, patch):
    (folder / "empty").mkdir(parents=True)
    frames(folder, **{"target_dataset.data_root": str(folder / "empty")})


@case(WHERE, "a target folder that is not there", "UnlabelledImages.data_root: no folder", "Name")
def _(folder, patch):
    UnlabelledImages(str(folder / "nowhere")).full_init()


@case(WHERE, "other classes than the source's", "only here: cat", "the same metainfo")
def _(folder, patch):
    frames(folder, **{"target_dataset.metainfo.classes": ["cat", "elephant"]})


@case(WHERE, "a hook's target with labels", "pipeline[1]: LoadAnnotations", "Take it out")
def _(folder, patch):
    stream(pipeline=[dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")])


@case(WHERE, "a hook's target without a frame", "MeanTeacherHook.target.dataset", "Check data_root")
def _(folder, patch):
    stream(length=0)


@case(WHERE, "a hook's target of other classes", "(only here: d)", "the same metainfo")
def _(folder, patch):
    stream(metainfo=dict(classes=("a", "b", "d")))


@case(WHERE, "a misspelt regulariser", "--regularizer: got 'mrkdl'", "Did you mean 'mrkld'")
def _(folder, patch):
    Rounds(regularizer="mrkdl")


@case(WHERE, "portions that shrink", "--portions: got (0.5, 0.05, 0.2)", "first <= cap")
def _(folder, patch):
    Rounds(portions=(0.5, 0.05, 0.2))


@case(WHERE, "a misspelt key of `self_training`", "self_training.iter", "Did you mean 'iters'")
def _(folder, patch):
    Rounds.of(Config(dict(self_training=dict(iter=5))), {})


@case(WHERE, "rounds of a training by epochs", "train_cfg", "Give --iters")
def _(folder, patch):
    cfg = config("pacs_cartoon2photo_adapt_cbst")
    round_config(cfg, folder, folder / "x.pth", folder, Rounds())


@case(WHERE, "a ratio that does not divide the batch", "--ratio: 2:1", "or another ratio")
def _(folder, patch):
    cfg = config("carla2camvid_adapt_cbst")
    round_config(cfg, folder, folder / "x.pth", folder, Rounds(ratio=(2, 1)))


@case(WHERE, "labels of other settings in `--out`", "(portion 0.2, not 0.5)", "or name another")
def _(folder, patch):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pseudo_labels.json").write_text('{"portion": 0.2}')
    made_before(folder, dict(portion=0.5))


@case(WHERE, "a hook that would do nothing", "SelfTrainingHook", "or set one")
def _(folder, patch):
    SelfTrainingHook()


@case(WHERE, "rare classes of data without any", "train_dataloader.sampler.statistics", "metainfo")
def _(folder, patch):
    RareClassSampler([1, 2, 3])
