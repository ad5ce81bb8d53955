"""Layer groups of known backbones, in the order in which a policy sees them."""

from __future__ import annotations

from mmasg.errors import did_you_mean, wrong

#: Preset name -> (group name, patterns below the backbone). The group ``head``, which takes all
#: parameters that no pattern names, always follows as the last one.
_BACKBONE_GROUPS: dict[str, list[tuple[str, list[str]]]] = {
    # Paper, VisDA: conv1; bn1; layer1; layer2; layer3; layer4; new classifier.
    "resnet": [
        ("conv1", ["conv1.*"]),
        ("bn1", ["bn1.*"]),
        *[(f"layer{i}", [f"layer{i}.*"]) for i in range(1, 5)],
    ],
    # ResNetV1c's deep stem: three convolutions, each followed by its norm.
    "resnet_v1c": [
        ("conv1", ["stem.0.*", "stem.3.*", "stem.6.*"]),
        ("bn1", ["stem.1.*", "stem.4.*", "stem.7.*"]),
        *[(f"layer{i}", [f"layer{i}.*"]) for i in range(1, 5)],
    ],
    "vgg16": [(f"conv{i}", [f"conv{i}_*"]) for i in range(1, 6)],
    # Lite0 to Lite4: the stages are the same.
    "efficientnet_lite0": [
        ("stem", ["stem.*"]),
        ("stage1", ["stages.0.*"]),
        ("stage2", ["stages.1.*"]),
        ("stage3", ["stages.2.*"]),
        ("stage4", ["stages.3.*", "stages.4.*"]),
        ("stage5", ["stages.5.*", "stages.6.*", "conv_head.*"]),
    ],
    "mit": [(f"stage{i + 1}", [f"layers.{i}.*"]) for i in range(4)],
    "swin": [
        ("patch_embed", ["patch_embed.*"]),
        *[(f"stage{i + 1}", [f"stages.{i}.*"]) for i in range(4)],
    ],
    # Plain, of twelve layers: what is no layer (patches, tokens, positions), then three a group.
    "vit": [
        ("embed", ["[!l]*"]),
        ("layers1", ["layers.[0-2].*"]),
        ("layers2", ["layers.[3-5].*"]),
        ("layers3", ["layers.[6-8].*"]),
        ("layers4", ["layers.9.*", "layers.1[01].*"]),
    ],
    "stdc": [(f"stage{i + 1}", [f"stages.{i}.*"]) for i in range(5)],
}

#: Presets that name parameters outside the backbone as well: full patterns.
_MODEL_GROUPS: dict[str, tuple[str, list[tuple[str, list[str]]]]] = {
    # Paper, GTA5: conv1_*; ...; conv5_*; fc6+fc7; all scoring and up-sampling layers.
    "vgg16_fcn8s": ("vgg16", [("fc", ["decode_head.fc6.*", "decode_head.fc7.*"])]),
}


def preset_names() -> list[str]:
    """Return the names of all presets, sorted."""
    return sorted([*_BACKBONE_GROUPS, *_MODEL_GROUPS])


def preset_groups(name: str, prefix: str = "backbone", lr_mult: float = 1.0) -> list[dict]:
    """Return the ``groups`` of a preset as :class:`LayerGroupOptimWrapperConstructor` takes them.

    Args:
        name: One of :func:`preset_names`. ``resnet``, ``resnet_v1c``, ``vgg16_fcn8s`` and
            ``efficientnet_lite0`` have 7 groups, ``vgg16``, ``swin``, ``vit`` and ``stdc`` 6,
            ``mit`` 5.
        prefix: Dotted name of the backbone in the model, ``'backbone.backbone'`` for STDC.
        lr_mult: Multiplier of every group but the last, which trains at the base rate. The paper
            uses 0.1 without a policy (method, section 2) and none with it.

    Returns:
        A list of ``dict(name=..., patterns=..., lr_mult=...)``; the last has ``rest=True``.

    Raises:
        ValueError: There is no preset of that name.
    """
    if name in _MODEL_GROUPS:
        backbone_name, extra = _MODEL_GROUPS[name]
    elif name in _BACKBONE_GROUPS:
        backbone_name, extra = name, []
    else:
        hint = did_you_mean(name, preset_names()).strip()
        remedy = f"{hint} For another backbone write paramwise_cfg=dict(groups=[...]).".strip()
        key, allowed = "optim_wrapper.paramwise_cfg.preset", ", ".join(preset_names())
        raise ValueError(wrong(key, name, allowed, remedy))
    groups = [
        dict(name=group, patterns=[f"{prefix}.{p}" for p in patterns], lr_mult=lr_mult)
        for group, patterns in _BACKBONE_GROUPS[backbone_name]
    ]
    groups += [dict(name=group, patterns=patterns, lr_mult=lr_mult) for group, patterns in extra]
    groups.append(dict(name="head", rest=True, lr_mult=1.0))
    return groups
