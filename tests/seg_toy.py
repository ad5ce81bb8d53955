"""Tiny segmentation runs on mmseg's own parts, with an 'ImageNet' file made on the spot."""

import copy
import itertools

import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from mmseg.utils import register_all_modules
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

import mmasg  # noqa: F401

_COUNTER = itertools.count()
NUM_IMAGENET_CLASSES = 11


@DATASETS.register_module(force=True)
class SegToyDataset(BaseDataset):
    """Random images with labels that follow their brightness; the same on every machine."""

    METAINFO = dict(classes=("a", "b", "c"), palette=[[0, 0, 0], [128, 0, 0], [0, 128, 0]])

    def __init__(self, length=8, size=(32, 32), num_classes=3, **kwargs):
        self.length = length
        self.size = tuple(size)
        self.num_classes = num_classes
        if num_classes != 3:
            kwargs["metainfo"] = dict(classes=[str(i) for i in range(num_classes)])
        super().__init__(**kwargs)

    def load_data_list(self):
        return [dict(index=i) for i in range(self.length)]

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(0, 256, (3, *self.size), generator=generator, dtype=torch.uint8)
        labels = (image[:1].long() * self.num_classes) // 256
        labels[:, :2] = 255
        sample = SegDataSample(
            metainfo=dict(img_shape=self.size, ori_shape=self.size, pad_shape=self.size)
        )
        sample.gt_sem_seg = PixelData(data=labels)
        return dict(inputs=image, data_samples=sample)


PREPROCESSOR = dict(
    type="SegDataPreProcessor",
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size_divisor=32,
)


def resnet18(checkpoint=None, **extra):
    """mmseg's ResNet-18, an eighth as wide (64 channels at its end)."""
    cfg = dict(
        type="mmseg.ResNet", depth=18, base_channels=8, stem_channels=8, norm_cfg=dict(type="BN")
    )
    if checkpoint is not None:
        cfg["init_cfg"] = dict(type="Pretrained", checkpoint=str(checkpoint))
    return {**cfg, **extra}


def fcn_head(in_channels=64, dropout_ratio=0.1, **extra):
    return dict(
        type="mmseg.FCNHead",
        in_channels=in_channels,
        in_index=3,
        channels=8,
        num_convs=1,
        concat_input=False,
        dropout_ratio=dropout_ratio,
        num_classes=3,
        norm_cfg=dict(type="BN"),
        align_corners=False,
        loss_decode=dict(type="mmseg.CrossEntropyLoss"),
        # mmseg's 0.01 hardly moves the backbone in the few steps of a test.
        init_cfg=dict(type="Normal", std=0.5, override=dict(name="conv_seg")),
        **extra,
    )


def segmentor(backbone, head=None, **extra):
    return dict(
        type="mmseg.EncoderDecoder",
        data_preprocessor=dict(PREPROCESSOR, type="mmseg.SegDataPreProcessor"),
        backbone=backbone,
        decode_head=head or fcn_head(),
        train_cfg=dict(),
        test_cfg=dict(mode="whole"),
        **extra,
    )


def random_state(backbone_cfg, seed=0):
    """State dict of a backbone with random weights and random BatchNorm statistics."""
    register_all_modules(init_default_scope=False)
    cfg = copy.deepcopy(dict(backbone_cfg))
    cfg.pop("init_cfg", None)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = MODELS.build(cfg)
        norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.weight.data.uniform_(0.5, 1.0)
                module.bias.data.normal_(0, 0.1)
                module.momentum = 1.0
            elif isinstance(module, nn.LayerNorm):
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.1)
        if norms:
            # Running statistics of real activations: features of networks without training would
            # vanish or explode with the depth otherwise, and any KL with them.
            network.train()
            for module in norms:
                module.train()  # norm_eval=True leaves them in eval mode
            with torch.no_grad():
                network(torch.randn(4, 3, 64, 64))
    return {k: v.clone() for k, v in network.state_dict().items()}


def linear_state(channels, prefix="fc", num_classes=NUM_IMAGENET_CLASSES, seed=1, scale=1.0):
    """State dict of a linear classifier with logits of a spread around 1."""
    generator = torch.Generator().manual_seed(seed)
    return {
        f"{prefix}.weight": scale * torch.randn(num_classes, channels, generator=generator),
        f"{prefix}.bias": torch.randn(num_classes, generator=generator),
    }


def write_imagenet_file(path, backbone_cfg, channels=64, prefix="fc", seed=0):
    """Writes backbone and classifier as one state dict; without prefix, no classifier."""
    state = random_state(backbone_cfg, seed)
    if prefix:
        state.update(linear_state(channels, prefix, scale=0.05))
    torch.save(state, path)
    return str(path)


def toy_config(work_dir, model, hook=None, *, max_iters=2, batch_size=2, hooks=(), **extra):
    """Config of an iteration-based training; ``hook`` are options of the consistency hook."""
    custom = [] if hook is None else [dict(type="ImageNetConsistencyHook", **hook)]
    config = dict(
        default_scope="mmseg",
        model=model,
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=batch_size,
            num_workers=0,
            sampler=dict(type="InfiniteSampler", shuffle=False),
            dataset=dict(type="SegToyDataset"),
        ),
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=max_iters),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01)),
        param_scheduler=[],
        custom_hooks=[*custom, *hooks],
        default_hooks=dict(
            checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1000, save_last=False),
            logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
        ),
        log_processor=dict(by_epoch=False),
        env_cfg=dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork")),
        randomness=dict(seed=3),
        log_level="INFO",
    )
    config.update(copy.deepcopy(extra))
    return config


def build_runner(config):
    """Builds the runner under a name of its own: mmengine keeps named singletons."""
    register_all_modules(init_default_scope=False)
    config = Config(copy.deepcopy(dict(config)))
    config.experiment_name = f"seg_toy_{next(_COUNTER)}"
    return Runner.from_cfg(config)


class Recorder(Hook):
    """Keeps what every iteration logged, and the weights, batch and gradients of one of them."""

    priority = "VERY_LOW"

    def __init__(self, at=None):
        self.at = at
        self.log = []
        self.rates = []
        self.state = self.batch = self.gradients = None

    def before_train(self, runner):
        self._handle = runner.optim_wrapper.optimizer.register_step_pre_hook(
            lambda *_: self._keep(runner)
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append([g["lr"] for g in runner.optim_wrapper.optimizer.param_groups])
        if runner.iter == self.at:
            self.state = copy.deepcopy(runner.model.state_dict())
            self.batch = copy.deepcopy(data_batch)

    def _keep(self, runner):
        if runner.iter == self.at:
            self.gradients = {
                name: None if p.grad is None else p.grad.clone()
                for name, p in getattr(runner.model, "module", runner.model).named_parameters()
            }

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.log.append({k: float(torch.as_tensor(v).detach()) for k, v in outputs.items()})

    def after_train(self, runner):
        self._handle.remove()


class Nudge(Hook):
    """Moves one part's weights by two per cent before an iteration, so that the KL is not tiny."""

    priority = "VERY_HIGH"

    def __init__(self, part, at):
        self.part, self.at = part, at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            generator = torch.Generator().manual_seed(5)
            with torch.no_grad():
                for p in runner.model.get_submodule(self.part).parameters():
                    p.mul_(1 + 0.02 * torch.randn(p.shape, generator=generator))


def train(config, at=None, nudged=None):
    """Trains and returns the runner and what it recorded."""
    runner = build_runner(config)
    recorder = Recorder(at)
    if nudged is not None:
        runner.register_hook(Nudge(nudged, at), Nudge.priority)
    runner.register_hook(recorder, recorder.priority)
    runner.train()
    return runner, recorder


def log_text(runner):
    with open(f"{runner.log_dir}/{runner.timestamp}.log", encoding="utf-8") as file:
        return file.read()


def gradients_by_hand(
    model_cfg, recorder, file, weight, part="backbone", feature=None, prefix="fc", norm=False
):
    """Gradient of task losses + w * KL by plain autograd, without any of mmasg's code.

    Args:
        model_cfg: The model's config.
        recorder: Holds state, batch and the gradients of the training.
        file: The ImageNet file's tensors; its backbone part in the names of the student.
        weight: ``w``.
        part: The part of the model that starts from ImageNet.
        feature: Name of a submodule of it whose input the classifier takes; None: last output.
        prefix: The linear layer in the file.
        norm: Whether the file's ``norm`` comes before the pooling.

    Returns:
        Gradients by parameter name, and the KL.
    """
    model = revert_sync_batchnorm(MODELS.build(copy.deepcopy(model_cfg)))
    model.load_state_dict(recorder.state)
    model.train()
    student = model.get_submodule(part)
    filled = set(file)
    for name, module in student.named_modules():
        if isinstance(module, _BatchNorm) and f"{name}.running_mean" in filled:
            module.eval()
    for module in model.modules():
        if isinstance(module, _DropoutNd) or type(module).__name__ == "DropPath":
            module.eval()
    teacher = copy.deepcopy(student)
    kept = {k: v for k, v in file.items() if k in teacher.state_dict()}
    teacher.load_state_dict({**teacher.state_dict(), **kept})
    teacher.requires_grad_(False)
    teacher.eval()

    def logits(network, images):
        taken = []
        if feature is None:
            taken.append(network(images)[-1])
        else:
            inner = network.get_submodule(feature)
            handle = inner.register_forward_pre_hook(lambda _, args: taken.append(args[0]))
            network(images)
            handle.remove()
        x = taken[0]
        x = x.flatten(2).transpose(1, 2) if x.ndim == 4 else x
        if norm:
            mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
            x = (x - mean) / (var + 1e-5).sqrt() * file["norm.weight"] + file["norm.bias"]
        return x.mean(1) @ file[f"{prefix}.weight"].T + file[f"{prefix}.bias"]

    data = model.data_preprocessor(copy.deepcopy(recorder.batch), True)
    losses = model(**data, mode="loss")
    task = sum(value.mean() for name, value in losses.items() if "loss" in name)
    # The images as the part sees them: a nested one gets the model's input as it is, too.
    p_s = logits(student, data["inputs"]).log_softmax(1)
    p_t = logits(teacher, data["inputs"]).log_softmax(1)
    kl = (p_t.exp() * (p_t - p_s)).sum(1).mean()
    (task + weight * kl).backward()
    return {name: p.grad for name, p in model.named_parameters()}, float(kl)


def assert_same_gradients(ours, expected, part, tolerance):
    """Compare all gradients below ``part``, each relative to its own size."""
    names = [name for name in expected if name.startswith(f"{part}.")]
    assert names
    total = torch.cat([expected[n].flatten() for n in names if expected[n] is not None]).norm()
    assert total > 0
    for name in names:
        if expected[name] is None:
            assert ours[name] is None or not ours[name].any(), name
            continue
        # Against its own norm, or 1e-4 of the whole gradient's where it nearly vanishes.
        scale = max(expected[name].norm(), 1e-4 * total)
        assert (ours[name] - expected[name]).norm() <= tolerance * scale, name
