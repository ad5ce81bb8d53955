# GTA5 -> Cityscapes, SegFormer-B5, cross-entropy alone, hand-set rates.
_base_ = [
    "../_base_/models/segformer_b5.py",
    "../_base_/datasets/gta2cityscapes.py",
    "../_base_/schedules/gta5_100k_adamw.py",
    "../_base_/default_runtime.py",
]
optim_wrapper = dict(
    paramwise_cfg=dict(preset="mit", lr_mult=0.1, custom_keys=dict(norm=dict(decay_mult=0.0)))
)
custom_hooks = [dict(type="EvalModeHook", mode="all")]
