_base_ = "./default_runtime.py"
visualizer = dict(_delete_=True, type="Visualizer", vis_backends=_base_.vis_backends)
log_processor = dict(by_epoch=True)
tta_model = dict(_delete_=True, type="SigmoidMeanTTAModel")
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    # The last epoch counts. Keeping the one that is best on the real images (save_best), as the
    # authors do, uses their labels.
    checkpoint=dict(type="AtomicCheckpointHook", interval=1, max_keep_ckpts=1),
    plain_checkpoint=dict(type="PlainCheckpointHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    keyed_randomness=dict(type="KeyedRandomnessHook"),
)
