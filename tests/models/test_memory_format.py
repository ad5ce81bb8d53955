import torch
from seg_toy import resnet18, segmentor, toy_config, train, write_imagenet_file


def test_weights_follow_and_numbers_stay(tmp_path):
    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    model = segmentor(resnet18(file))
    runs = {}
    for name, hooks in (("plain", []), ("last", [dict(type="ChannelsLastHook")])):
        hooks_cfg = dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=3))
        runs[name] = train(
            toy_config(
                tmp_path / name, model, dict(), max_iters=3, hooks=hooks, default_hooks=hooks_cfg
            )
        )
    weight = runs["last"][0].model.backbone.conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not runs["plain"][0].model.backbone.conv1.weight.is_contiguous(
        memory_format=torch.channels_last
    )
    # The teacher is laid out the same way, so it still agrees with the student at the start.
    teacher = next(h for h in runs["last"][0].hooks if hasattr(h, "teacher")).teacher
    assert teacher.backbone.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    # Another order of summation: float32 rounding, over three steps.
    for ours, plain in zip(runs["last"][1].log, runs["plain"][1].log, strict=True):
        assert abs(ours["loss"] - plain["loss"]) <= 1e-3 * abs(plain["loss"])
    saved = torch.load(tmp_path / "last/iter_3.pth", weights_only=False)["state_dict"]
    assert saved["backbone.conv1.weight"].shape == (8, 3, 7, 7)
