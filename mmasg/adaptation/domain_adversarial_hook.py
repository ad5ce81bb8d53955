"""Adversarial features: what the network sees of both domains is to look alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from mmasg.consistency.taps import FeatureTap
from mmasg.errors import wrong
from mmasg.reproducible.kept_randomness import kept_randomness
from mmasg.wrapped_model import unwrap

from .gradient_reversal import DomainDiscriminator, reversal_strength, reverse_gradient
from .target_hook import TargetHook, is_classifier

_KEY = "DomainAdversarialHook"
_STATE = "domain_discriminator"


@HOOKS.register_module()
class DomainAdversarialHook(TargetHook):
    """Domain-adversarial training (DANN): a discriminator behind a reversed gradient.

    A discriminator learns to tell the backbone's features of source and target frames apart; the
    backbone gets its gradient reversed, times ``2 / (1 + exp(-10 progress)) - 1`` (Ganin et al.,
    JMLR 17, 2016, eq. 10 to 14). On segmentation features it judges every position (Hoffman et
    al., *FCNs in the Wild*, 2016, section 3.2), on a classifier's the pooled ones.

    The discriminator lives in the hook, with an optimizer of its own (Adam), and steps once an
    iteration, its gradient averaged over processes; it travels in checkpoints under the key
    ``domain_discriminator``. Logged: ``loss_domain``, in the objective, and ``domain_accuracy``,
    the share of positions that it tells right: towards 0.5 the features look alike.

    Args:
        target (dict): Dataloader of the target, as for ``MeanTeacherHook``.
        loss_weight (float): Weight of the reversed gradient. Defaults to 0.1.
        feature (int | str): Which of the backbone's feature maps, or the submodule whose input it
            is. Defaults to -1, the last.
        channels (int): Hidden width of the discriminator. Defaults to 256.
        lr (float): Rate of the discriminator's Adam. Defaults to 1e-4.

    Raises:
        TypeError: ``target`` is no dict with a dataset.
        ValueError: A number out of its range; see also
            :class:`~mmasg.adaptation.target_hook.TargetHook`.
    """

    def __init__(
        self,
        target: Mapping[str, Any],
        loss_weight: float = 0.1,
        feature: int | str = -1,
        channels: int = 256,
        lr: float = 1e-4,
    ) -> None:
        super().__init__(target, loss_weight)
        if type(channels) is not int or channels < 1:
            raise ValueError(wrong(f"{_KEY}.channels", channels, "a whole number above 0"))
        if not isinstance(lr, (int, float)) or not 0 < lr < float("inf"):
            raise ValueError(wrong(f"{_KEY}.lr", lr, "a number above 0"))
        self.feature, self.channels, self.lr = feature, channels, lr
        self.discriminator: DomainDiscriminator | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._resumed: dict | None = None
        self._tap: FeatureTap | None = None
        self._seed, self._progress, self._device = 0, 0.0, torch.device("cpu")

    def trained_with(self) -> dict:
        """Return the settings that decide about the result, for a resume to compare."""
        names = ("target", "loss_weight", "feature", "channels", "lr")
        return {name: getattr(self, name) for name in names}

    def before_train(self, runner: Runner) -> None:
        """Attach to the model."""
        model = unwrap(runner.model)
        self._seed = runner.seed
        self._device = next(model.parameters()).device
        self._tap = FeatureTap(model.backbone, self.feature, f"{_KEY}.feature")  # type: ignore[arg-type]
        super().before_train(runner)
        self._handles.append(self._tap)
        if self._resumed is not None:
            self._build(self._resumed["channels"])
            assert self.discriminator is not None and self._optimizer is not None
            self.discriminator.load_state_dict(self._resumed["weights"])
            self._optimizer.load_state_dict(self._resumed["optimizer"])
            self._resumed = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note how far the training is."""
        super().before_train_iter(runner, batch_idx, data_batch)
        self._progress = runner.iter / runner.max_iters

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Step the discriminator: after the backward pass that went through it."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        assert self._optimizer is not None
        self._optimizer.step()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the discriminator beside the model."""
        if self.discriminator is not None and self._optimizer is not None:
            first = self.discriminator.layers[0]
            checkpoint[_STATE] = dict(
                channels=first.in_channels,
                weights=self.discriminator.state_dict(),
                optimizer=self._optimizer.state_dict(),
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take it from a checkpoint that the run is resumed from."""
        if runner._resume:
            self._resumed = checkpoint.get(_STATE)
            if self._resumed is None:
                runner.logger.warning(
                    f"{_KEY}: the checkpoint holds no discriminator; it starts anew."
                )

    def before_source(self) -> None:
        """Take the backbone's features from here on."""
        assert self._tap is not None
        self._tap.clear()
        self._tap.enabled = True

    def target_losses(self, model: nn.Module, losses: dict) -> dict[str, Tensor]:
        """The discriminator's loss, through the reversed gradient."""
        assert self._tap is not None
        source = list(self._tap.features)
        self._tap.clear()
        model.backbone(self.frames(model))  # type: ignore[operator]
        target = list(self._tap.features)
        self._tap.enabled = False
        self._tap.clear()
        if not source or not target:
            raise ValueError(
                f"{_KEY}.feature: the model did not run its backbone in forward(mode='loss'), or "
                f"the backbone not {self.feature!r}. Name a feature that it computes"
            )
        pooled = is_classifier(model)
        domains = [
            torch.cat([f.float().mean((2, 3), keepdim=True) if pooled else f for f in features])
            for features in (source, target)
        ]
        if self.discriminator is None:
            self._build(domains[0].shape[1])
        self._learn([features.detach() for features in domains])
        strength = reversal_strength(self._progress)
        judge = self.discriminator
        assert judge is not None
        judge.requires_grad_(False)  # its own gradient is there already
        loss, right = _domain_loss(judge, [reverse_gradient(f, strength) for f in domains])
        judge.requires_grad_(True)
        return {"loss_domain": self.loss_weight * loss, "domain_accuracy": right}

    def _build(self, in_channels: int) -> None:
        """Make the discriminator, the same one for a seed, on every rank."""
        with kept_randomness():
            torch.manual_seed(self._seed)
            self.discriminator = DomainDiscriminator(in_channels, self.channels)
        self.discriminator.to(self._device)
        self._optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=self.lr)

    def _learn(self, domains: list[Tensor]) -> None:
        """Compute the discriminator's own gradient; the step comes after the backward pass."""
        assert self.discriminator is not None
        parameters = list(self.discriminator.parameters())
        # Apart from the model's objective: no loss scale, no accumulation, not reversed.
        with torch.autocast(self._device.type, enabled=False):
            loss, _ = _domain_loss(self.discriminator, domains)
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            all_reduce(gradient, op="mean")
            parameter.grad = gradient


def _domain_loss(judge: nn.Module, domains: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of both domains, and the share told right; source first."""
    losses, right = [], []
    for features, truth in zip(domains, (1.0, 0.0), strict=True):
        logits = judge(features)
        losses.append(F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth)))
        right.append(((logits > 0) == bool(truth)).float().mean())
    return 0.5 * (losses[0] + losses[1]), 0.5 * (right[0] + right[1]).detach()
