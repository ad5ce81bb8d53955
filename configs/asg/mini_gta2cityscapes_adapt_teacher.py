# The miniature pair, a start goes on with a mean teacher.
_base_ = ["./mini_gta2cityscapes_relative.py", "../_base_/datasets/mini_gta2cityscapes_target.py"]
train_cfg = dict(max_iters=360, val_interval=360)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="MeanTeacherHook", target={{_base_.target}}),
]
val_cfg = val_dataloader = val_evaluator = None
