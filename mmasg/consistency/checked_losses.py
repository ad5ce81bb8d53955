"""The losses of a config, built, and checked for what the hook works with."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.registry import MODELS
from torch import nn

from mmasg.errors import wrong

_NEEDS = ("predictions", "features", "stages", "weights")


def build_losses(
    cfg: dict | Sequence[dict], weight: float | Sequence[float], key: str
) -> tuple[list[nn.Module], list[float]]:
    """Build one loss or several, with their weights.

    Args:
        cfg: A loss's config, or a list of them.
        weight: Its weight, or a list of as many; a single weight of 0 is for measuring alone.
        key: Of the hook, for messages.

    Raises:
        ValueError: Weights that are not one for each loss and above 0, two losses with one
            ``log_name``, or see :func:`check_loss`.
    """
    if isinstance(cfg, dict):
        check_number(f"{key}.loss_weight", weight, zero=True)
        assert isinstance(weight, (int, float))
        loss: nn.Module = MODELS.build(cfg)
        check_loss(loss, cfg, f"{key}.loss")
        return [loss], [float(weight)]
    if not cfg or not isinstance(weight, Sequence) or len(weight) != len(cfg):
        raise ValueError(
            wrong(f"{key}.loss_weight", weight, f"a list of weights for the {len(cfg)} losses")
        )
    for place, value in enumerate(weight):
        check_number(f"{key}.loss_weight[{place}]", value, zero=False)
    losses = [MODELS.build(one) for one in cfg]
    for place, one in enumerate(losses):
        check_loss(one, cfg[place], f"{key}.loss[{place}]")
    names = [str(one.log_name) for one in losses]
    if len(set(names)) < len(names):
        raise ValueError(
            wrong(f"{key}.loss", names, "losses that are logged under different names")
        )
    return losses, [float(value) for value in weight]


def check_loss(loss: nn.Module, given: dict | None, key: str) -> None:
    """Check a loss of anybody's for the attributes that the hook works with.

    Args:
        loss: The loss, built.
        given: Its config, for the message.
        key: The config key, for the message.

    Raises:
        ValueError: ``needs`` or ``log_name`` is missing or not allowed.
    """
    if getattr(loss, "needs", None) not in _NEEDS:
        raise ValueError(
            f"{key}: got {given!r}, allowed are ImageNetKLLoss, FeatureL2Loss, "
            "FeatureCosineLoss, WeightL2Loss, ContrastiveAgreement, or a registered module of your "
            f"own with the attributes needs ({', '.join(map(repr, _NEEDS))}) and log_name"
        )
    name = getattr(loss, "log_name", None)
    if not isinstance(name, str) or not name or "loss" in name:
        raise ValueError(
            wrong(
                f"{key}: log_name of {type(loss).__name__}",
                name,
                "the key of the raw distance in the log, a text without 'loss' in it",
                "MMEngine adds every key with 'loss' to the objective; write for example "
                "log_name = 'my_distance_imagenet'.",
            )
        )


def check_number(key: str, value: object, zero: bool) -> None:
    """Raise a ValueError where ``value`` is no finite number above 0 (``zero``: of at least 0)."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not (value >= 0 if zero else value > 0) or value == float("inf"):  # type: ignore
        raise ValueError(
            f"{key}: got {value!r}; it has to be a finite number "
            f"{'of at least 0' if zero else 'above 0 (or None for no cap)'}"
        )
