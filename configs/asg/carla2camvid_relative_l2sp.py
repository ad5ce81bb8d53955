# CARLA -> CamVid with relative steps and L2-SP, weight decay towards the ImageNet weights: the
# plain rival of the consistency loss.
_base_ = "./carla2camvid_relative.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(
        type="ImageNetConsistencyHook",
        loss=dict(type="WeightL2Loss"),
        loss_weight=0.01,
        eval_mode="all",
    ),
    dict(type="RelativeStepHook"),
]
