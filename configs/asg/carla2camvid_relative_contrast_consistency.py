# CARLA -> CamVid with relative steps, contrast between crops (CSG) and the KL, with one teacher.
_base_ = "./carla2camvid_relative_contrast.py"
model = dict(backbone=dict(train_conv_head=True))  # the KL reaches it
losses = [dict(type="ImageNetKLLoss"), {{_base_.contrast}}]
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss=losses, loss_weight=[0.3, 0.1], eval_mode="all"),
    dict(type="RelativeStepHook"),
]
