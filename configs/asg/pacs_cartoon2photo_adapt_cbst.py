# PACS, cartoons -> photographs, a start goes on by class-balanced self-training on
# unlabelled photographs.
_base_ = ["./pacs_cartoon2photo_relative.py", "../_base_/datasets/pacs_cartoon2photo_target.py"]
self_training = dict(rounds=3, iters=66)
