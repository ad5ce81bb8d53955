# CARLA -> CamVid without ImageNet consistency: hand-set rates (every group but the last at 0.1 x
# the base rate) and eval mode, cross-entropy alone.
_base_ = [
    "../_base_/models/efficientnet_lite0.py",
    "../_base_/datasets/carla2camvid.py",
    "../_base_/schedules/carla2camvid_1k.py",
    "../_base_/default_runtime.py",
]
# ImageNet's last convolution stands behind what the decode head takes: nothing trains it here.
model = dict(backbone=dict(train_conv_head=False), decode_head=dict(num_classes=10))
optim_wrapper = dict(paramwise_cfg=dict(preset="efficientnet_lite0", lr_mult=0.1))
custom_hooks = [dict(type="ChannelsLastHook"), dict(type="EvalModeHook", mode="all")]
