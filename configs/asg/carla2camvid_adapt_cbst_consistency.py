# CARLA -> CamVid, class-balanced self-training in which ImageNet consistency goes on.
_base_ = "./carla2camvid_adapt_cbst.py"
model = dict(backbone=dict(train_conv_head=True))  # the consistency loss reaches it
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
