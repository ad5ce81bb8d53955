# PACS, cartoons -> photographs, without ImageNet consistency: hand-set rates, cross-entropy alone.
_base_ = [
    "../_base_/models/classifier_efficientnet_lite0.py",
    "../_base_/datasets/pacs_cartoon2photo.py",
    "../_base_/schedules/pacs_3e.py",
    "../_base_/classification_runtime.py",
]
model = dict(head=dict(num_classes=7))
optim_wrapper = dict(paramwise_cfg=dict(preset="efficientnet_lite0", lr_mult=0.1))
custom_hooks = [dict(type="ChannelsLastHook"), dict(type="EvalModeHook", mode="all")]
default_hooks = dict(
    logger=dict(interval=10),
    # By iterations, as in segmentation; the last one counts.
    checkpoint=dict(by_epoch=False, interval={{_base_.iters_per_epoch}}),
)
