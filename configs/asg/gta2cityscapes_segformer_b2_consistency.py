# The same kept close to ImageNet by its last feature map: mmsegmentation's MiT files have no
# classifier (gta2cityscapes_segformer_b0.py says how to use the authors' own).
_base_ = "./gta2cityscapes_segformer_b2_baseline.py"
custom_hooks = [
    dict(
        type="ImageNetConsistencyHook",
        loss=dict(type="FeatureCosineLoss"),
        loss_weight=1.0,
        eval_mode="all",
    )
]
