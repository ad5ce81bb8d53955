"""One training step on noise, with and without the teacher: does it run, and what does it cost."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from torch import nn

from mmasg.benchmark.random_images import RandomImages, image_size, task_of
from mmasg.consistency.eval_mode import EvalMode
from mmasg.consistency.imagenet_networks import network_end
from mmasg.consistency.teacher import ImageNetTeacher
from mmasg.l2o.last_layer import LastLayer

from .additions import HOOK, hooks_of
from .findings import Part
from .network import nested_student, student_of

#: On a CPU a whole batch of whole crops takes minutes: what is compared is one step with another.
_CPU_SIDE = 128
_CPU_BATCH = 2
#: The quicker of so many counts: what else runs on the machine only ever adds.
_TIMES = 2


def examine_step(cfg: Config, model: nn.Module, teacher: ImageNetTeacher | None) -> Part:
    """Do one step of the training on random images, and the teacher's share of it.

    Where the ImageNet file is not at hand, a teacher with random weights is measured: it costs the
    same.

    Args:
        cfg: The config.
        model: Its model.
        teacher: Its teacher, None where it could not be built.
    """
    part = Part("one step on random images")
    with part.catching():
        device = torch.device(get_device())
        on_cpu = device.type == "cpu"
        size = _size(cfg)
        batch = cfg.get("train_dataloader", {}).get("batch_size", _CPU_BATCH)
        if on_cpu:
            size = (min(size[0], _CPU_SIDE), min(size[1], _CPU_SIDE))
            batch = min(batch, _CPU_BATCH)
        model.to(device)
        data = _batch(cfg, model, size, batch)
        try:
            name = student_of(cfg, model)
        except ValueError:  # said where the teacher is looked at
            name = nested_student(model)
            if name not in dict(model.named_modules()):
                part.facts.append("not done: there is no part that a teacher could be made for")
                return part
        student = model.get_submodule(name)
        last = LastLayer(model)
        inputs: list[torch.Tensor] = []
        handle = student.register_forward_hook(
            lambda _, args, kwargs, out: inputs.append([*args, *kwargs.values()][0]),
            with_kwargs=True,
        )
        _eval_mode(cfg, model, name, teacher)
        step = _Step(model, data)
        step()
        handle.remove()
        step_seconds, step_bytes = _measured(step, device)
        part.facts.append(f"last layer, whose weights a policy watches: {last.name}")
        if not inputs:
            part.errors.append(
                f"{HOOK}.student_module: the model does not call model.{name} as a whole in "
                "forward(mode='loss'), so its features cannot be compared. Name the module that "
                "the model calls"
            )
            return part
        teacher = teacher or _stand_in(student)
        teacher.to(device)
        teacher(inputs[0])
        seconds, used = _measured(lambda: teacher(inputs[0]), device)
        weights = sum(t.numel() * t.element_size() for t in teacher.state_dict().values())
        part.facts += [
            f"measured: {batch} images of {size[1]}x{size[0]} on {device.type}",
            f"without the teacher {step_seconds:.2f} s; the teacher adds {seconds:.2f} s "
            f"({100 * seconds / step_seconds:.0f}%)",
            f"the teacher's weights take {_mib(weights)}"
            + ("" if on_cpu else f"; a step needs {_mib(step_bytes)}, the teacher {_mib(used)}"),
        ]
    return part


def _size(cfg: Config) -> tuple[int, int]:
    try:
        return image_size(cfg)
    except (ValueError, AttributeError, StopIteration):  # no fixed crop, or no data at all
        size = (cfg.model.get("data_preprocessor") or {}).get("size") or (512, 512)
        return (size[0], size[1])


def _batch(cfg: Config, model: nn.Module, size: tuple[int, int], batch: int) -> Any:
    head = cfg.model.get("decode_head") or cfg.model.get("head")
    head = head[-1] if isinstance(head, (list, tuple)) else head
    task = task_of(cfg) if cfg.get("train_dataloader") else "segmentation"
    images = RandomImages(size, task, head["num_classes"], batch)
    data = pseudo_collate([images[i] for i in range(batch)])
    preprocessor = copy.deepcopy(model.data_preprocessor)
    if getattr(preprocessor, "size", None) is not None:
        setattr(preprocessor, "size", size)  # noqa: B010  (mypy takes it for a submodule)
    return preprocessor(data, True)  # type: ignore[operator]


def _eval_mode(cfg: Config, model: nn.Module, name: str, teacher: ImageNetTeacher | None) -> None:
    model.train()
    hooks = hooks_of(cfg, HOOK)
    mode = hooks[0].get("eval_mode", "pretrained") if hooks else None
    EvalMode(model, mode, name, teacher.loaded if teacher is not None else None).apply()


class _Step:
    """Forward and backward of the model's own losses."""

    def __init__(self, model: nn.Module, data: dict) -> None:
        self.model, self.data = model, data

    def __call__(self) -> None:
        losses = self.model(**copy.deepcopy(self.data), mode="loss")
        loss, _ = self.model.parse_losses(losses)  # type: ignore[operator]
        loss.backward()
        self.model.zero_grad(set_to_none=True)


def _stand_in(student: nn.Module) -> ImageNetTeacher:
    """A teacher of the student's architecture with random weights."""
    end = network_end(student, None, f"{HOOK}.feature")
    backbone = copy.deepcopy(student)
    return ImageNetTeacher(backbone, None, end.feature, set(backbone.state_dict()))


def _measured(call: Callable[[], Any], device: torch.device) -> tuple[float, int]:
    """Return seconds and, on a GPU, the bytes at its peak beyond those before."""
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if cuda else 0
    seconds = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        call()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds), torch.cuda.max_memory_allocated() - before if cuda else 0


def _mib(number: int) -> str:
    return f"{number / 2**20:,.0f} MiB"
