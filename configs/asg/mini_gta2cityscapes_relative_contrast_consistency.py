# The miniature pair with relative steps, contrast between crops (CSG) and the KL, with one teacher.
_base_ = "./mini_gta2cityscapes_relative_contrast.py"
losses = [dict(type="ImageNetKLLoss"), {{_base_.contrast}}]
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss=losses, loss_weight=[0.3, 0.1], eval_mode="all"),
    dict(type="RelativeStepHook"),
]
