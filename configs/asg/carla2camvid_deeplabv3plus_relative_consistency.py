# CARLA -> CamVid with DeepLabV3+'s head, relative steps and ImageNet consistency.
_base_ = "./carla2camvid_deeplabv3plus_relative.py"
model = dict(backbone=dict(train_conv_head=True))  # the consistency loss reaches it
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
