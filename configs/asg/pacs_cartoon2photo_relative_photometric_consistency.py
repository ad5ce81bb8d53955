# PACS, cartoons -> photographs, with relative steps, photometric augmentation and ImageNet
# consistency.
_base_ = "./pacs_cartoon2photo_relative_photometric.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.1, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
