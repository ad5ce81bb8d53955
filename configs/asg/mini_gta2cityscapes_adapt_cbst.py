# The miniature pair, a start goes on by class-balanced self-training on the target's
# validation frames, unlabelled.
_base_ = ["./mini_gta2cityscapes_relative.py", "../_base_/datasets/mini_gta2cityscapes_target.py"]
self_training = dict(rounds=3, iters=120)
# The target's labels are not read, not even to watch the training.
val_cfg = val_dataloader = val_evaluator = None
