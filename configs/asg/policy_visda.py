# Trains a learning-rate policy on VisDA-17 trainings of ResNet-101, see policy_gta2cityscapes.py;
# a training begins anew after 2 epochs of 4,763 iterations.
_base_ = "./policy_gta2cityscapes.py"
train_cfg = dict(
    environments=dict(
        config="{{ fileDirname }}/visda.py",
        window="visda",
        episode_iters=2 * 4763,
    )
)
