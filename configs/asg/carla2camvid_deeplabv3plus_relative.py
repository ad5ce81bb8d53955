# CARLA -> CamVid with DeepLabV3+'s head on an output stride of 16: relative steps, without ImageNet
# consistency.
_base_ = [
    "../_base_/models/efficientnet_lite0_deeplabv3plus.py",
    "../_base_/datasets/carla2camvid.py",
    "../_base_/schedules/carla2camvid_1k.py",
    "../_base_/default_runtime.py",
]
model = dict(backbone=dict(train_conv_head=False), decode_head=dict(num_classes=10))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="SGD", lr=0.1, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(preset="efficientnet_lite0", lr_mult=1.0),
)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
]
