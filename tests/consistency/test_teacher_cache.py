"""The teacher's predictions kept on disk, under mmengine's runner."""

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from mmengine.runner import Runner
from PIL import Image
from torch import nn

import mmasg
import mmasg.datasets.classification_transforms
import mmasg.datasets.folder_classification
import mmasg.models.classifier
import mmasg.models.classifier_head  # noqa: F401
from mmasg.consistency.hook import ImageNetConsistencyHook
from mmasg.consistency.pipeline_facts import describe_pipeline, random_steps
from mmasg.consistency.teacher_cache import TeacherCache


@MODELS.register_module(name="CacheToyBackbone")
class CacheToyBackbone(BaseModule):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return (self.conv(x).relu(),)


class Watch(Hook):
    """Counts the images that the teacher is given, and records the KL."""

    priority = "LOWEST"

    def __init__(self, consistency):
        self.consistency = consistency
        self.kl = []
        self.images = 0

    def before_train(self, runner):
        self.consistency.teacher.backbone.register_forward_hook(self._count)

    def _count(self, module, args, output):
        self.images += len(args[0])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.kl.append(float(outputs["kl_imagenet"]))


LOAD, PACK = dict(type="LoadImageFromFile"), dict(type="PackClassification")


@pytest.fixture
def train(tmp_path):
    """A function that trains for two epochs and returns what was watched."""
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(5):
            noise = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "data" / name / f"{i}.png")
    torch.manual_seed(0)
    weights = {
        "conv.weight": torch.randn(8, 3, 3, 3),
        "conv.bias": torch.randn(8),
        "fc.weight": torch.randn(1000, 8),
        "fc.bias": torch.randn(1000),
    }
    torch.save(weights, tmp_path / "imagenet.pth")
    runs = []

    def run(pipeline=(LOAD, PACK), cache=True, checkpoint="imagenet.pth", loss=None):
        hook = ImageNetConsistencyHook(
            teacher_cache=dict(dir=str(tmp_path / "cache")) if cache else None, loss=loss
        )
        watch = Watch(hook)
        runs.append(watch)
        backbone = dict(
            type="CacheToyBackbone",
            init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / checkpoint)),
        )
        head = dict(type="MLPClassifierHead", in_channels=8, num_classes=2)
        Runner(
            model=dict(type="SynRealClassifier", backbone=backbone, head=head),
            work_dir=str(tmp_path / "work"),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                sampler=dict(type="DefaultSampler", shuffle=True),
                dataset=dict(
                    type="FolderClassificationDataset",
                    data_root=str(tmp_path / "data"),
                    pipeline=list(pipeline),
                ),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
            custom_hooks=[hook, watch],
            randomness=dict(seed=0),
            experiment_name=f"run{len(runs)}",
            log_level="ERROR",
        ).train()
        return watch

    run.tmp_path = tmp_path
    run.weights = weights
    return run


def test_second_run_asks_the_teacher_once_and_trains_the_same(train):
    plain = train(cache=False)
    first = train()
    second = train()
    # 10 images, two epochs; the first complete batch (4 images) is computed to compare
    assert (plain.images, first.images) == (20, 10 + 4)
    assert second.images == 4
    # float16 rounds logits (up to 10 here) by up to 5e-4 of themselves, which changes a KL of 4e-3
    # by at most sqrt(2 KL) times that, 4e-4
    np.testing.assert_allclose(second.kl, plain.kl, atol=4e-4)
    assert max(plain.kl) > 1e-3


def test_changed_weights_preprocessing_or_image_are_computed_anew(train):
    train()
    other = {name: value + 0.1 for name, value in train.weights.items()}
    torch.save(other, train.tmp_path / "other.pth")
    assert train(checkpoint="other.pth").images == 14
    resized = (LOAD, dict(type="ResizeShorterSide", size=6), PACK)
    assert train(pipeline=resized).images == 14
    Image.new("RGB", (8, 8), (9, 9, 9)).save(train.tmp_path / "data/a/0.png")
    again = train()
    assert 1 <= again.images <= 1 + 4 + 4


def test_torn_shard_is_computed_anew(train):
    train()
    (shard,) = (train.tmp_path / "cache").rglob("*.npy")
    shard.write_bytes(shard.read_bytes()[:-100])
    assert train().images == 14
    assert train().images == 4


def test_random_preprocessing_is_refused(train):
    flip = dict(type="RandomFlip", prob=0.5)
    with pytest.raises(ValueError, match=r"preprocessing is random \(RandomFlip\).*Remove"):
        train(pipeline=(LOAD, flip, PACK))
    train(pipeline=(LOAD, flip, PACK), cache=False)


def test_predictions_of_other_pictures_are_noticed(train):
    """A step that is random without saying so gives itself away in the second epoch."""

    class Shuffle:
        def __call__(self, results):
            results["img"] = np.random.permutation(results["img"].ravel()).reshape(8, 8, 3)
            return results

    with pytest.raises(ValueError, match="kept predictions differ from fresh ones by"):
        train(pipeline=(LOAD, Shuffle(), PACK))


def test_samples_must_name_their_file(train):
    with pytest.raises(ValueError, match="no img_path .* Add 'img_path' to the meta_keys"):
        train(pipeline=(LOAD, dict(type="PackClassification", meta_keys=())))


def test_needs_a_loss_on_predictions(train):
    with pytest.raises(ValueError, match="teacher_cache keeps predictions, but loss"):
        train(loss=dict(type="FeatureL2Loss"))
    with pytest.raises(ValueError, match="teacher_cache.dir: got ''"):
        ImageNetConsistencyHook(teacher_cache=dict(dir=""))


def test_key_is_the_weights_whatever_their_layout(tmp_path):
    class Data:
        pipeline = None

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3))
    prints = []
    for change in (
        lambda: None,
        lambda: network.to(memory_format=torch.channels_last),
        lambda: network[1].running_mean.add_(1),
    ):
        change()
        cache = TeacherCache(str(tmp_path))
        cache.open(network, nn.Module(), Data())
        prints.append(cache.fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_random_steps_are_found_inside_wrappers():
    class Step:
        def __init__(self, *inner):
            self.transforms = list(inner)

    class RandomThing(Step):
        pass

    class Compose(Step):
        pass

    class Data:
        pass

    inner, outer, both = Data(), Data(), Data()
    inner.pipeline = Compose(Step(RandomThing()), Step())
    outer.dataset = inner
    both.datasets = [outer, inner]
    assert random_steps(both) == ["RandomThing"]
    preprocessor = Data()
    preprocessor.batch_augments = [1]
    inner.pipeline = Compose(Step())
    assert random_steps(both, preprocessor) == ["data_preprocessor.batch_augments"]


def test_description_tells_settings_apart_and_no_addresses():
    class Data:
        pass

    class Step:
        def __init__(self, size):
            self.size = size
            self.other = object()

    texts = []
    for size in (1, 2, 2):
        data = Data()
        data.pipeline = Step(size)
        texts.append(describe_pipeline(data))
    assert texts[0] != texts[1] and texts[1] == texts[2]
    assert "0x" not in texts[0]
