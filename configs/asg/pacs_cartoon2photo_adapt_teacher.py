# PACS, cartoons -> photographs, a start goes on with a mean teacher.
_base_ = ["./pacs_cartoon2photo_relative.py", "../_base_/datasets/pacs_cartoon2photo_target.py"]
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="MeanTeacherHook", target={{_base_.target}}),
]
