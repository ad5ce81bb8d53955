# CARLA -> CamVid with relative steps: every group's step is a fixed fraction of its weights, so the
# rate below cancels. Without ImageNet consistency.
_base_ = "./carla2camvid_baseline.py"
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="SGD", lr=0.1, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(lr_mult=1.0),
)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
]
