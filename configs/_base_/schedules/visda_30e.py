# ASG on VisDA-17: 30 epochs of 4,763 iterations (152,397 images in batches of 32, the last one
# small), rate inside the momentum, warm-up-poly.
train_cfg = dict(type="ResumableEpochBasedTrainLoop", max_epochs=30, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    constructor="LayerGroupOptimWrapperConstructor",
    optimizer=dict(type="CaffeSGD", lr=1e-4, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [dict(type="WarmupPolyLR", by_epoch=False)]
