# PACS, cartoons -> photographs, a start goes on with adversarial features (DANN).
_base_ = "./pacs_cartoon2photo_adapt_teacher.py"
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="DomainAdversarialHook", target={{_base_.target}}),
]
