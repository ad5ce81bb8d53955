# The miniature pair with relative steps and contrast between crops (CSG) in place of the KL.
_base_ = "./mini_gta2cityscapes_relative.py"
contrast = dict(type="ContrastiveAgreement", stages=[2, 3], grid=2, bank_size=1024)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="ImageNetConsistencyHook", loss=contrast, loss_weight=0.1, eval_mode="all"),
    dict(type="RelativeStepHook"),
]
