# CARLA -> CamVid with ImageNet consistency and hand-set rates.
_base_ = "./carla2camvid_baseline.py"
model = dict(backbone=dict(train_conv_head=True))  # the consistency loss reaches it
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
]
