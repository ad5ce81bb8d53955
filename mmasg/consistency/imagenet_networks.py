"""How the ImageNet networks of known backbones go on after the backbone.

A segmentation backbone is an ImageNet network without its end: the pooling, sometimes a norm or a
convolution before it, and the linear layer. Which end belongs to which backbone is said here; the
tests hold every family against a forward pass of the whole network that is written on its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from .taps import named_part

#: Backbones whose ImageNet networks have an end of another form, or that have none.
_NO_KNOWN_END = {
    "HRNet": "its ImageNet network merges all four resolutions by layers that MMSegmentation's "
    "HRNet does not have (incre_modules, downsamp_modules, final_layer)",
    **dict.fromkeys(
        ("BiSeNetV2", "CGNet", "DDRNet", "ERFNet", "FastSCNN", "ICNet", "PIDNet", "UNet", "VPD"),
        "its last feature map is not what an ImageNet classifier pools",
    ),
}


@dataclass(frozen=True)
class NetworkEnd:
    """What stands between a backbone's feature and the ImageNet logits.

    Attributes:
        feature: Which feature the end takes, see :class:`mmasg.consistency.taps.FeatureTap`.
        tokens: ``'all'``: the feature is a map, or tokens without a class token, and its mean is
            taken. ``'class'``: tokens with a class token at the front; the file's norm tells
            whether that one is taken (``norm``) or the mean of the others (``fc_norm``).
        norm: Name of the LayerNorm in the file; None: there is none.
        norm_first: Whether the norm stands before the mean, token by token, or behind it.
        eps: The norm's epsilon.
        new_norms: How the names of the norms begin that segmentation puts on the backbone's
            outputs, and that the file may lack.
        zeros: How the names of parameters end that the backbone has, the ImageNet network has
            not, and that therefore start at 0; None: there are none.
        refusal: Why the end is not known; None where it is.
    """

    feature: int | str = -1
    tokens: str = "all"
    norm: str | None = None
    norm_first: bool = True
    eps: float = 1e-5
    new_norms: str | None = None
    zeros: str | None = None
    refusal: str | None = None


def network_end(backbone: nn.Module, feature: int | str | None, key: str) -> NetworkEnd:
    """Return the end of a backbone's ImageNet network.

    Args:
        backbone: Of MMSegmentation, of this package, or of anybody.
        feature: The user's choice of feature; None: the one that the network's classifier takes.
        key: Config key of ``feature``, to name in errors.

    Raises:
        ValueError: The backbone has no submodule of the name ``feature``.
    """
    end = _known_end(backbone)
    if feature is None or feature == end.feature:
        return end
    if isinstance(feature, str) and isinstance(named_part(backbone, feature, key), nn.LayerNorm):
        # A LayerNorm on an output is segmentation's; ImageNet's own stands in its place there.
        return NetworkEnd(feature, norm="norm", new_norms=feature.rstrip("0123456789"))
    if end.tokens == "class":
        why = f"its classifier takes tokens that feature={feature!r} does not hold"
        return replace(end, feature=feature, refusal=why)
    return NetworkEnd(feature)


def _known_end(backbone: nn.Module) -> NetworkEnd:
    names = {cls.__name__ for cls in type(backbone).__mro__}
    if "SwinTransformer" in names:
        return NetworkEnd(f"norm{_count(backbone, 'stages') - 1}", norm="norm", new_norms="norm")
    if "ConvNeXt" in names:
        last = f"norm{_count(backbone, 'stages') - 1}"
        return NetworkEnd(last, norm=last, norm_first=False, eps=1e-6, new_norms="norm")
    if "PCPVT" in names:  # SVT too
        refusal = (
            "with norm_after_stage=True it has norms between its stages that the ImageNet "
            "network does not have"
        )
        after = getattr(backbone, "norm_after_stage", False)
        return NetworkEnd(norm="norm", eps=1e-6, refusal=refusal if after else None)
    if names & {"VisionTransformer", "BEiT"}:  # MAE too
        refusal = "with_cls_token=False takes away the class token that the ImageNet network has"
        without = not getattr(backbone, "with_cls_token", True)
        last = f"layers.{_count(backbone, 'layers') - 1}:output"
        zeros = "relative_position_bias_table" if "MAE" in names else None
        why = refusal if without else None
        if getattr(backbone, "num_registers", 0):
            why = (
                "it has register tokens, and whether its classifier takes the class token or the "
                "mean of the others is not known"
            )
        return NetworkEnd(last, "class", eps=1e-6, new_norms="ln", zeros=zeros, refusal=why)
    known = next((name for name in _NO_KNOWN_END if name in names), None)
    if known is not None:
        return NetworkEnd(refusal=_NO_KNOWN_END[known])
    if any(name.endswith(("cls_token", "class_token")) for name, _ in backbone.named_parameters()):
        return NetworkEnd(
            refusal="it has a class token, and whether its classifier takes that one or the mean "
            "of the others is not known"
        )
    return NetworkEnd()


def _count(backbone: nn.Module, name: str) -> int:
    return len(getattr(backbone, name))
