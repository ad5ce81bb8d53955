"""Channels-last layout of the network's tensors, which convolutions run faster in."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.nn.parallel import DistributedDataParallel

from mmasg.wrapped_model import unwrap


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lay out the model's 4-d weights channels-last (NHWC) for training and testing.

    Activations follow the weights. Depthwise convolutions on a CPU, and half-precision ones on
    a GPU, run faster so; results differ by rounding only. Checkpoints are not affected.

    mmengine has wrapped the model in DistributedDataParallel by the time hooks are called, and that
    lays out its buckets as the weights were then: the gradients of the first iteration would come
    out permuted. So the model is wrapped anew.
    """

    priority = "VERY_HIGH"

    def before_run(self, runner: Runner) -> None:
        """Convert the weights; values loaded later are copied into this layout."""
        model = unwrap(runner.model)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if isinstance(runner.model, DistributedDataParallel):
            runner.model = runner.wrap_model(runner.cfg.get("model_wrapper_cfg"), model)
