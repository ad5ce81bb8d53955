# CARLA -> CamVid with relative steps, instance selective whitening (RobustNet) and the KL.
_base_ = "./carla2camvid_relative.py"
model = dict(backbone=dict(train_conv_head=True))  # the consistency loss reaches it
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="InstanceWhiteningHook", stages=["stem:output", 0, 1], start=100, gather=50),
    dict(type="RelativeStepHook"),
]
