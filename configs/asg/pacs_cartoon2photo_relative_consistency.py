# PACS, cartoons -> photographs, with relative steps (the rate of the base cancels) and ImageNet
# consistency.
_base_ = "./pacs_cartoon2photo_relative.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
