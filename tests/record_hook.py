"""A hook for trainings in processes of their own: what each rank saw and chose, in a file."""

import os
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmasg.l2o.layer_lr_hook import LayerLRHook
from mmasg.wrapped_model import unwrap


@HOOKS.register_module(force=True)
class RecordHook(Hook):
    """Writes ``rank{r}.pth`` into the folder that the environment variable RECORD names."""

    priority = "VERY_LOW"

    def __init__(self):
        self.multipliers, self.images, self.kl, self.weighted = [], [], [], []
        self.start = None

    @staticmethod
    def _weights(runner):
        model = unwrap(runner.model)
        return {
            k: v.detach().clone() for k, v in model.state_dict().items() if v.is_floating_point()
        }

    def before_train(self, runner):
        self.start = self._weights(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        policy = next(h for h in runner.hooks if isinstance(h, LayerLRHook))
        self.multipliers.append(list(map(float, policy.rates.multipliers)))
        # An image is known by its file and the sum of what augmentation has made of it.
        self.images.append(
            [
                f"{Path(sample.img_path).stem} {image.sum().item()}"
                for image, sample in zip(
                    data_batch["inputs"], data_batch["data_samples"], strict=True
                )
            ]
        )
        self.kl.append(float(outputs["kl_imagenet"]))
        self.weighted.append(float(outputs["loss_imagenet"].detach()))

    def after_train(self, runner):
        torch.save(
            dict(
                multipliers=self.multipliers,
                images=self.images,
                kl=self.kl,
                weighted=self.weighted,
                start=self.start,
                weights=self._weights(runner),
            ),
            Path(os.environ["RECORD"]) / f"rank{runner.rank}.pth",
        )
