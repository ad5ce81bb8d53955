# CARLA -> CamVid, a mean teacher beside which ImageNet consistency goes on (as DAFormer's feature
# distance does).
_base_ = "./carla2camvid_adapt_teacher.py"
model = dict(backbone=dict(train_conv_head=True))  # the consistency loss reaches it
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss_weight=0.3, eval_mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="MeanTeacherHook", target={{_base_.target}}),
]
