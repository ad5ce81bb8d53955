# The miniature of VisDA-17 with ImageNet consistency and hand-set rates.
_base_ = "./mini_visda_baseline.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
]
