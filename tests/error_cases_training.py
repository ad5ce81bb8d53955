"""Wrong inputs that a training meets when it begins or resumes; read by test_errors_page.py."""

from error_cases import case, grouped, start, toy
from seg_toy import build_runner, resnet18, segmentor, toy_config, write_imagenet_file

POLY = dict(type="PolyLR", by_epoch=False)
SAVED = dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1))


# -- schedules and groups -------------------------------------------------------------------------


def scheduled(folder, schedule, **extra):
    return grouped(
        folder,
        dict(preset="resnet", lr_mult=0.1),
        param_scheduler=[schedule],
        default_hooks=SAVED,
        **extra,
    )


@case("Rates", "a floor above a group's rate", "(PolyLR).eta_min", "Set eta_min=0")
def _(folder, patch):
    start(scheduled(folder, dict(POLY, eta_min=0.05)))


@case("Rates", "such a floor of a cosine", "(CosineAnnealingLR).eta_min", "eta_min_ratio=0.01")
def _(folder, patch):
    start(scheduled(folder, dict(type="CosineAnnealingLR", eta_min=0.05, by_epoch=False)))


@case("Rates", "one peak for groups of several rates", "eta_max", "a list with a rate")
def _(folder, patch):
    start(scheduled(folder, dict(type="OneCycleLR", eta_max=1.0, total_steps=9, by_epoch=False)))


@case("Rates", "a schedule longer than the training", "max_iters: got 9", "Leave max_iters out")
def _(folder, patch):
    start(scheduled(folder, dict(type="WarmupPolyLR", max_iters=9, by_epoch=False)))


@case("Rates", "a schedule that counts epochs and has no length", "max_iters", "by_epoch=False")
def _(folder, patch):
    start(scheduled(folder, dict(type="WarmupPolyLR")))


@case("Rates", "a preset whose first layers are frozen", "preset", "groups=[dict(name='layer2'")
def _(folder, patch):
    model = segmentor(resnet18(frozen_stages=1))
    start(grouped(folder, dict(preset="resnet"), file=False, model=model))


@case("Rates", "layer groups for several optimizers", "optim_wrapper", "one optimizer")
def _(folder, patch):
    config = grouped(folder, dict(preset="resnet"))
    one = dict(optimizer=config["optim_wrapper"].pop("optimizer"))
    config["optim_wrapper"].update(backbone=one, head=one)
    start(config)


# -- resuming -------------------------------------------------------------------------------------


def resumed(folder, **changes):
    start(scheduled(folder, POLY))
    start(scheduled(folder, POLY) | dict(resume=True) | changes)


@case("Checkpoints", "`--resume` of a longer training", "(PolyLR).end", "--rebuild-schedule")
def _(folder, patch):
    resumed(folder, train_cfg=dict(type="IterBasedTrainLoop", max_iters=9))


@case("Checkpoints", "`--resume` with another loss weight", "loss_weight", "load_from")
def _(folder, patch):
    start(toy(folder, dict(loss_weight=1.0), default_hooks=SAVED))
    start(toy(folder, dict(loss_weight=2.0), default_hooks=SAVED, resume=True))


@case("Checkpoints", "`--resume` with another base rate", "optimizer.lr of group", "load_from")
def _(folder, patch):
    wrapper = scheduled(folder, POLY)["optim_wrapper"]
    resumed(folder, optim_wrapper=wrapper | dict(optimizer=dict(type="SGD", lr=0.2)))


@case("Checkpoints", "`--rebuild-schedule` without `--resume`", "rebuild_schedule", "Add --resume")
def _(folder, patch):
    start(toy(folder, rebuild_schedule=True))


@case("Checkpoints", "`--rebuild-schedule` of what follows a metric", "param_scheduler[0]", "alone")
def _(folder, patch):
    plateau = [dict(type="ReduceOnPlateauLR", monitor="mIoU")]
    resumed(folder, param_scheduler=plateau, rebuild_schedule=True)


# -- heads and data -------------------------------------------------------------------------------


def with_head(folder, size=(32, 32), batch_size=2, **changes):
    config = toy(folder)
    config["model"]["decode_head"].update(changes)
    config["train_dataloader"].update(batch_size=batch_size)
    config["train_dataloader"]["dataset"]["size"] = size
    return config


@case("Data", "a head with other outputs than classes", "model.decode_head.num_classes", "a, b, c")
def _(folder, patch):
    start(with_head(folder, num_classes=2))


@case("Data", "class weights for other classes", "loss_decode.class_weight", "a, b, c")
def _(folder, patch):
    loss = dict(type="CrossEntropyLoss", class_weight=[1.0, 2.0])
    start(with_head(folder, loss_decode=loss))


@case("Data", "batches of one before a BatchNorm of pooled features", "batch_size", "batch_size=2")
def _(folder, patch):
    config = with_head(folder, (64, 64), 1, type="mmseg.PSPHead", pool_scales=(1, 2))
    for key in ("num_convs", "concat_input"):
        del config["model"]["decode_head"][key]
    start(config)


@case("Consistency", "a baseline without a KL", "KLWatchHook.baseline", "loss_weight=0")
def _(folder, patch):
    (folder / "1/vis_data").mkdir(parents=True)
    (folder / "1/vis_data/scalars.json").write_text('{"loss": 1.0, "step": 10}\n')
    file = write_imagenet_file(folder / "r18.pth", resnet18())
    watch = dict(type="KLWatchHook", baseline=str(folder))
    config = toy_config(folder / "run", segmentor(resnet18(file)), dict(), hooks=[watch])
    build_runner(config).train()
