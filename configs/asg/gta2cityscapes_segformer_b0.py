# GTA5 -> Cityscapes, SegFormer-B0 with hand-set rates. mmsegmentation's MiT file has no ImageNet
# classifier (its converter drops the original's 'head'), so the student is kept close by its last
# feature map. With the authors' own mit_b0.pth at hand, take the classifier from there and the
# paper's loss: classifier=dict(checkpoint='mit_b0.pth', prefix='head'), without loss=.
_base_ = [
    "../_base_/models/segformer_b0.py",
    "../_base_/datasets/gta2cityscapes.py",
    "../_base_/schedules/gta5_100k_adamw.py",
    "../_base_/default_runtime.py",
]
# The head trains ten times as fast as the backbone.
optim_wrapper = dict(
    paramwise_cfg=dict(preset="mit", lr_mult=0.1, custom_keys=dict(norm=dict(decay_mult=0.0)))
)
custom_hooks = [
    dict(
        type="ImageNetConsistencyHook",
        loss=dict(type="FeatureCosineLoss"),
        loss_weight=1.0,
        eval_mode="all",
    )
]
