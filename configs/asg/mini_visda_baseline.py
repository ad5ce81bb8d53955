# The miniature of VisDA-17 without ImageNet consistency: cross-entropy alone.
_base_ = [
    "../_base_/models/classifier_efficientnet_lite0.py",
    "../_base_/datasets/mini_visda.py",
    "../_base_/schedules/mini_visda.py",
    "../_base_/classification_runtime.py",
]
optim_wrapper = dict(paramwise_cfg=dict(preset="efficientnet_lite0", lr_mult=0.1))
custom_hooks = [dict(type="ChannelsLastHook"), dict(type="EvalModeHook", mode="all")]
default_hooks = dict(
    logger=dict(interval=10),
    # By iterations, as the segmentation's: iter_76.pth is the last.
    checkpoint=dict(by_epoch=False, interval={{_base_.iters_per_epoch}}),
)
