"""Wrong data and what is said to it; the rest is in tests/error_cases.py."""

import numpy as np
from error_cases import case, dataset, frames, sample
from mmseg.structures import SegDataSample
from PIL import Image
from street_files import write_ids, write_image

from mmasg.datasets.conversion.id_map import IdMap
from mmasg.datasets.conversion.label_conversion import Job, run_conversion
from mmasg.datasets.conversion.record import Record
from mmasg.datasets.gta5 import GTA5Dataset
from mmasg.files.head_labels import heads_of
from mmasg.files.sample_check import NOTE, judge_batch


@case("Data", "a label map stored as JPEG", "labels/00001_labelTrainIds.png", "as PNG")
def _(folder, patch):
    def as_jpeg(image, label):
        with Image.open(label) as picture:
            picture.save(label, format="JPEG")

    sample(folder, as_jpeg)


@case("Data", "label ids of 16 bits", "labels/00001_labelTrainIds.png", "--id-map FILE")
def _(folder, patch):
    wide = Image.fromarray(np.full((96, 128), 269, np.uint16))
    sample(folder, lambda image, label: wide.save(label))


@case("Data", "a label map of colours", "labels/00001_labelTrainIds.png", "--id-map FILE")
def _(folder, patch):
    sample(folder, lambda image, label: write_image(label, size=(128, 96)))


@case("Data", "an image with an orientation tag", "images/00001.png", "color_ignore_orientation")
def _(folder, patch):
    def turn(image, label):
        exif = Image.Exif()
        exif[274] = 6
        with Image.open(image) as picture:
            picture.resize((96, 96)).save(image, format="JPEG", exif=exif)
        write_ids(label, [0], size=(96, 96))

    sample(folder, turn)


@case(
    "Data", "an id that the data set leaves out and the head does not", "ignore_index=254", "Give"
)
def _(folder, patch):
    head = dict(type="mmseg.FCNHead", num_classes=19)
    meta = {NOTE: ([254], 254), "seg_map_path": "labels/00001_labelTrainIds.png"}
    judge_batch([SegDataSample(metainfo=meta)], heads_of(dict(decode_head=head)))


@case("Data", "padding that the head does not leave out", "seg_pad_val=255", "Set seg_pad_val")
def _(folder, patch):
    head = dict(type="mmseg.FCNHead", num_classes=19, ignore_index=0)
    judge_batch([], heads_of(dict(decode_head=head)), padding=255)


@case("Data", "images of another ending", "img_suffix", "set img_suffix='.jpg'")
def _(folder, patch):
    write_image(folder / "images/00001.jpg")
    dataset(folder)


@case("Data", "a split list of GTA5 that nobody wrote", "train.txt", "official split.mat")
def _(folder, patch):
    GTA5Dataset(data_root=str(frames(folder)), ann_file="none/train.txt")


@case("Data", "a split list with a frame twice and two frames in a line", "line 3", "each once")
def _(folder, patch):
    (frames(folder) / "train.txt").write_text("00001\n00002\n00001\n00003.png 00004.png\n")
    dataset(folder / "gta5", ann_file="train.txt")


@case("Data", "a list in another coding", "is no text file", "save it as UTF-8")
def _(folder, patch):
    (frames(folder) / "train.txt").write_bytes(b"stra\xdfe\n")
    dataset(folder / "gta5", ann_file="train.txt")


@case("Data", "a map that changed after the conversion", "id 1 was 0 then", "--overwrite")
def _(folder, patch):
    label = write_ids(folder / "1.png", [1])
    job = Job(label, folder / "1_labelTrainIds.png")
    for new in (0, 13):
        record = Record(folder, "_labelTrainIds.png", dict(id={1: new}))
        convert = IdMap({1: new}, {}).convert
        run_conversion([job], convert, workers=1, record=record)
