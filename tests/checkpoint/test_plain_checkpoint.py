import torch
from mmengine.logging import HistoryBuffer
from seg_toy import build_runner, resnet18, segmentor, toy_config

from mmasg.checkpoint.plain_checkpoint import PlainCheckpointHook


def test_histories_come_back_equal():
    buffer = HistoryBuffer([1.0, 2.5, 3.0], [1, 1, 2], max_length=5)
    checkpoint = dict(
        message_hub=dict(
            log_scalars={"train/loss": buffer},
            runtime_info={"iter": 3},
            resumed_keys={"iter": True},
        )
    )
    hook = PlainCheckpointHook()
    hook.before_save_checkpoint(None, checkpoint)
    assert not isinstance(checkpoint["message_hub"]["log_scalars"]["train/loss"], HistoryBuffer)
    hook.after_load_checkpoint(None, checkpoint)
    restored = checkpoint["message_hub"]["log_scalars"]["train/loss"]
    assert restored.data[0].tolist() == [1.0, 2.5, 3.0]
    assert restored.data[1].tolist() == [1, 1, 2]
    assert restored.mean(2) == buffer.mean(2)
    assert restored.max_length == 5


def test_checkpoint_of_a_run_loads_with_weights_only_and_resumes(tmp_path):
    def run(iterations, **extra):
        config = toy_config(tmp_path, segmentor(resnet18()), max_iters=iterations, **extra)
        config["custom_hooks"] = [dict(type="PlainCheckpointHook")]
        config["default_hooks"]["checkpoint"]["interval"] = 2
        runner = build_runner(config)
        runner.train()
        return runner

    run(2)
    checkpoint = torch.load(tmp_path / "iter_2.pth", weights_only=True)
    assert "train/loss" in checkpoint["message_hub"]["log_scalars"]
    history, _ = run(4, resume=True).message_hub.get_scalar("train/loss").data
    assert len(history) == 4, "two values from the checkpoint, two of the resumed part"
