# The miniature pair with ImageNet consistency and the paper's hand-set rates.
_base_ = "./mini_gta2cityscapes_baseline.py"
model = dict(backbone=dict(train_conv_head=True))  # the consistency loss reaches it
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
]
