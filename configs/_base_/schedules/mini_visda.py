# The miniature's schedule: 2 epochs of 38 iterations (600 images in batches of 16).
max_epochs = 2
iters_per_epoch = 38
train_cfg = dict(
    type="ResumableEpochBasedTrainLoop", max_epochs=max_epochs, val_interval=max_epochs
)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    constructor="LayerGroupOptimWrapperConstructor",
    optimizer=dict(type="CaffeSGD", lr=0.02, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=10)]
