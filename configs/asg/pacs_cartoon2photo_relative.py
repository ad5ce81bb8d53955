# PACS, cartoons -> photographs, with relative steps: the rate below cancels.
_base_ = "./pacs_cartoon2photo_baseline.py"
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="SGD", lr=0.1, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(lr_mult=1.0),
)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
]
