# The miniature pair, DINOv2's ViT-S/14 with relative steps, kept near its pretraining: its file
# has no ImageNet classifier, so by its features.
_base_ = "./mini_gta2cityscapes_relative_dinov2.py"
custom_hooks = [
    dict(
        type="ImageNetConsistencyHook",
        loss=dict(type="FeatureCosineLoss"),
        loss_weight=1.0,
        eval_mode="all",
    ),
    dict(type="RelativeStepHook"),
]
