"""Wrong inputs of taxonomies, frame converters and what reads their results."""

import json

import numpy as np
import torch
from error_cases import case
from PIL import Image
from street_files import write_ids, write_image

from mmasg.datasets import CarlaDataset, FolderClassificationDataset, PhotometricShift
from mmasg.datasets.conversion.carla_tags import find_out
from mmasg.datasets.conversion.frame_conversion import copy_splits, pair_frames
from mmasg.datasets.conversion.record import Record
from mmasg.datasets.conversion_record import ConversionRecord, record_path
from mmasg.datasets.taxonomy import load_taxonomy
from mmasg.datasets.video_runs import find_runs, split_runs
from mmasg.evaluation import ClassIoUMetric

PAIR = "classes:\n  road: {sim: [6, 7], cam: [3]}\n  car: {sim: [10], cam: [8]}\n"


def taxonomy(folder, text=PAIR):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pair.yaml"
    path.write_text(text)
    return load_taxonomy(path)


def tags(path, values):
    """A picture of rows of tags, as CARLA saves them: in the red channel."""
    rows = np.repeat(np.array(values, np.uint8), 2)[:, None] * np.ones(6, np.uint8)
    Image.fromarray(np.stack([rows, 0 * rows, 0 * rows], -1)).save(path)
    return path


@case("Data", "a taxonomy with a class on one side only", "one side only: car has no cam", "or []")
def _(folder, patch):
    taxonomy(folder, PAIR.replace(", cam: [8]", ""))


@case("Data", "an id of two classes, or twice", "car, sim: 6 is listed twice", "has one class")
def _(folder, patch):
    taxonomy(folder, PAIR.replace("[10]", "[10, 6]"))


@case("Data", "a data set that the taxonomy lacks", "pair.yaml", "Did you mean 'sim'?")
def _(folder, patch):
    taxonomy(folder).table("smi")


def converted(folder):
    root = folder / "carla"
    write_image(root / "images/1.png")
    write_ids(root / "labels/1_labelTrainIds.png", [0, 1])
    parameters = ConversionRecord.of(taxonomy(folder), "sim", img_suffix=".png").parameters()
    path = record_path(root / "labels", "_labelTrainIds.png")
    path.write_text(json.dumps(parameters))
    return root


@case(
    "Data", "a taxonomy that changed after the conversion", "CarlaDataset.taxonomy", "--overwrite"
)
def _(folder, patch):
    root = converted(folder)
    changed = taxonomy(folder / "new", PAIR.replace("[8]", "[8, 9]").replace("[10]", "[11]"))
    CarlaDataset(data_root=str(root), taxonomy=changed.path)


@case(
    "Data",
    "CARLA frames that were not converted",
    "conversion_labelTrainIds.json",
    "Remedy: python tools",
)
def _(folder, patch):
    root = converted(folder)
    (root / "labels/conversion_labelTrainIds.json").unlink()
    CarlaDataset(data_root=str(root))


@case("Data", "a second conversion in another way", "size was None then", "--overwrite")
def _(folder, patch):
    record = ConversionRecord.of(taxonomy(folder), "sim", (480, 360), ".png")
    Record(converted(folder) / "labels", "_labelTrainIds.png", record.parameters()).agree()


@case("Data", "labels of Cityscapes' classes where a taxonomy's are due", "taxonomy", "--taxonomy)")
def _(folder, patch):
    root = converted(folder)
    record_path(root / "labels", "_labelTrainIds.png").write_text('{"ids": {"7": 0}}')
    CarlaDataset(data_root=str(root))


@case("Data", "tags of another CARLA version", "--tags: got '0.9.10'", "allowed: '0.9.14'")
def _(folder, patch):
    find_out([tags(folder / "1.png", [11, 3, 1, 24, 1])], numbering="0.9.10")


@case("Data", "tags that do not show their version", "--tags: got 'auto'", "Not told by the labels")
def _(folder, patch):
    find_out([tags(folder / "1.png", [9, 9])])


@case("Data", "colour labels taken for tags", "it holds colours, not tags", "--labels-are palette")
def _(folder, patch):
    Image.new("RGB", (4, 4), (128, 64, 128)).save(folder / "1.png")
    find_out([folder / "1.png"], kind="tags")


def pair(folder, images=("1",), labels=("1",)):
    for name in images:
        write_image(folder / f"images/{name}.png")
    for name in labels:
        write_ids(folder / f"labels/{name}.png", [1])
    return pair_frames(folder / "images", folder / "labels")


@case("Data", "frames and labels that do not pair", "do not pair", "Remove them or complete them")
def _(folder, patch):
    pair(folder, images=("1", "2"), labels=("1", "3"))


@case("Data", "an empty run", "an empty run", "remove it or fill it")
def _(folder, patch):
    (folder / "images/run2").mkdir(parents=True)
    pair(folder)


@case("Data", "a frame in two lists", "share 1 frames (1)", "must not be trained on")
def _(folder, patch):
    frames = pair(folder)
    lists = {split: folder / f"{split}.txt" for split in ("train", "val")}
    for path in lists.values():
        path.write_text("1\n")
    copy_splits(lists, frames, folder / "out")


@case("Data", "a split of one run of video", "1 run(s)", "Set --gap")
def _(folder, patch):
    split_runs(find_runs(["000001", "000002"]), {"val": 0.1})


@case("Data", "an unknown part of a class folder", "FolderClassificationDataset.part", "held_out")
def _(folder, patch):
    FolderClassificationDataset(data_root=str(folder), part="val")


@case("Data", "an unknown photometric shift", "PhotometricShift.shifts", "Did you mean 'haze'?")
def _(folder, patch):
    PhotometricShift(shifts=["hase"])


@case(
    "Testing", "rare classes that the data set lacks", "ClassIoUMetric.rare_classes", "Did you mea"
)
def _(folder, patch):
    metric = ClassIoUMetric(rare_classes=["persons"])
    metric.dataset_meta = dict(classes=("road", "person"))
    metric.compute_metrics([[torch.ones(2)] * 4])
