"""Wrong inputs of testing, predicting and drawing; the rest is in tests/error_cases.py."""

import sys

import torch
from error_cases import case
from mmengine.config import Config
from street_files import write_image

from mmasg.commands import test_options
from mmasg.evaluation.cityscapes_scripts import CityscapesScriptsMetric
from mmasg.evaluation.multi_target_iou import MultiTargetIoUMetric
from mmasg.prediction.images import find_images, read_image
from mmasg.prediction.predictor import choose_device
from mmasg.visualization.reward_curve import read_levels
from mmasg.visualization.scalar_log import read_multipliers, read_scalars


def write_log(folder, text, stamp="1"):
    path = folder / stamp / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)


# -- testing --------------------------------------------------------------------------------------


@case("Testing", "`--dataloader` with a name that the config has not", "--dataloader", "Did you")
def _(folder, patch):
    cfg = Config(dict(test_dataloader=dict(), source_dataloader=dict()))
    test_options.choose_dataloader(cfg, "sorce_dataloader")


@case("Testing", "`--out` where no metric writes predictions", "--out", "Leave --out out")
def _(folder, patch):
    cfg = Config(dict(test_evaluator=dict(type="DumpResults")))
    test_options.write_predictions(cfg, str(folder))


@case("Testing", "`--tta` in a config without its pipeline", "tta_pipeline", "Leave --tta out")
def _(folder, patch):
    test_options.augment(Config(dict(tta_model=dict(type="SegTTAModel"))))


@case("Testing", "a misspelt subset of classes", "MultiTargetIoUMetric.subsets", "Did you mean")
def _(folder, patch):
    MultiTargetIoUMetric(subsets=["synthia12"])


@case("Testing", "`format_only` without a folder", "MultiTargetIoUMetric.format_only", "output_dir")
def _(folder, patch):
    MultiTargetIoUMetric(format_only=True)


@case("Testing", "`--cityscapes` without cityscapesscripts", "cityscapesscripts", "pip install")
def _(folder, patch):
    patch.setitem(sys.modules, "cityscapesscripts", None)
    patch.delitem(sys.modules, "cityscapesscripts.evaluation", raising=False)
    patch.delitem(
        sys.modules,
        "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling",
        raising=False,
    )
    CityscapesScriptsMetric(output_dir=str(folder))


# -- predicting -----------------------------------------------------------------------------------


@case("Predicting", "a folder without images", "images", "give an image or a folder")
def _(folder, patch):
    find_images(folder, folder / "out")


@case("Predicting", "an image that is cut off (the others are predicted)", "a.png", "Copy or make")
def _(folder, patch):
    path = write_image(folder / "a.png")
    path.write_bytes(path.read_bytes()[:200])
    read_image(path)


@case("Predicting", "a GPU that is not there", "--device", "Use --device cpu")
def _(folder, patch):
    patch.setattr(torch.cuda, "device_count", lambda: 0)
    choose_device("cuda:1")


# -- drawing --------------------------------------------------------------------------------------


@case("Drawing", "a damaged line in a log", "scalars.json, line 2", "Take the line out")
def _(folder, patch):
    write_log(folder, '{"loss": 1.0, "step": 1}\n{"lo\n{"loss": 1.0, "step": 3}\n')
    read_scalars(folder)


@case(
    "Drawing", "logs of two trainings in one folder", "different layer groups", "Give the work dir"
)
def _(folder, patch):
    write_log(folder, '{"lr_mult/a": 1.0, "step": 1}\n', "1")
    write_log(folder, '{"lr_mult/b": 1.0, "step": 2}\n', "2")
    read_multipliers(folder)


@case("Drawing", "an evaluation that is cut off", "--evaluation", "make it again")
def _(folder, patch):
    (folder / "evaluation.json").write_text('{"summary": {')
    read_levels(folder / "evaluation.json")
