# CARLA -> CamVid, a start goes on by class-balanced self-training on CamVid's train
# frames, unlabelled.
_base_ = ["./carla2camvid_relative.py", "../_base_/datasets/carla2camvid_target.py"]
self_training = dict(rounds=3, iters=300)
# The target's labels are not read, not even to watch the training.
val_cfg = val_dataloader = val_evaluator = None
