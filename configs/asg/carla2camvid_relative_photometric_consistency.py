# CARLA -> CamVid with relative steps, photometric augmentation and ImageNet consistency.
_base_ = "./carla2camvid_relative_photometric.py"
model = dict(backbone=dict(train_conv_head=True))  # the consistency loss reaches it
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
