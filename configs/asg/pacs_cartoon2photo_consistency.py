# PACS, cartoons -> photographs, with ImageNet consistency and hand-set rates.
_base_ = "./pacs_cartoon2photo_baseline.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
]
