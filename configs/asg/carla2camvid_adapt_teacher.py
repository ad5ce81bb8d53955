# CARLA -> CamVid, a start goes on with a mean teacher.
_base_ = ["./carla2camvid_relative.py", "../_base_/datasets/carla2camvid_target.py"]
train_cfg = dict(max_iters=900, val_interval=900)
custom_hooks = [
    dict(type="ChannelsLastHook"),
    dict(type="EvalModeHook", mode="all"),
    dict(type="RelativeStepHook"),
    dict(type="MeanTeacherHook", target={{_base_.target}}),
]
val_cfg = val_dataloader = val_evaluator = None
