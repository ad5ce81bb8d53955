# 3 epochs of 66 iterations (2,109 cartoons in batches of 32).
max_epochs = 3
iters_per_epoch = 66
train_cfg = dict(
    type="ResumableEpochBasedTrainLoop", max_epochs=max_epochs, val_interval=max_epochs
)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    constructor="LayerGroupOptimWrapperConstructor",
    optimizer=dict(type="CaffeSGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=10)]
