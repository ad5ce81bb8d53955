"""Checkpoints of a training with mmasg belong to plain mmseg wherever the model does."""

import json
import os
import subprocess
import sys

import pytest
from seg_toy import resnet18, segmentor, toy_config, train, write_imagenet_file

PLAIN = """
import json, sys
import numpy as np
import torch
torch.set_num_threads(1)
from mmseg.apis import inference_model, init_model

config, checkpoint, image, out = sys.argv[1:]
model = init_model(config, checkpoint, device='cpu')
result = inference_model(model, np.load(image))
saved = torch.load(checkpoint, map_location='cpu', weights_only=False)['state_dict']
own = model.state_dict()
assert set(saved) == set(own), set(saved) ^ set(own)
assert all(torch.equal(saved[k], own[k]) for k in own)
assert not [m for m in sys.modules if m.split('.')[0] == 'mmasg'], 'mmasg was imported'
logits = result.seg_logits.data
json.dump(dict(shape=list(logits.shape), mean=float(logits.double().mean()),
               classes=model.dataset_meta['classes']), open(out, 'w'))
"""
CONFIG = """
default_scope = 'mmseg'
model = {model}
test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""


@pytest.mark.slow
def test_trained_with_mmasg_tested_without(tmp_path):
    import numpy as np
    from mmseg.apis import inference_model

    file = write_imagenet_file(tmp_path / "r18.pth", resnet18())
    model = segmentor(resnet18(file))
    runner, _ = train(
        toy_config(
            tmp_path / "run",
            model,
            dict(),
            default_hooks=dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2)),
            optim_wrapper=dict(
                constructor="LayerGroupOptimWrapperConstructor",
                optimizer=dict(type="SGD", lr=0.05),
                paramwise_cfg=dict(preset="resnet", lr_mult=0.1),
            ),
            param_scheduler=[dict(type="WarmupPolyLR", by_epoch=False, warmup_iters=1)],
        )
    )
    plain = json.loads(json.dumps(model))
    plain["backbone"].pop("init_cfg")
    (tmp_path / "config.py").write_text(CONFIG.format(model=plain))
    (tmp_path / "script.py").write_text(PLAIN)
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    np.save(tmp_path / "image.npy", image)
    done = subprocess.run(
        [sys.executable, "script.py", "config.py", "run/iter_2.pth", "image.npy", "out.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=dict(os.environ, OMP_NUM_THREADS="1"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["shape"] == [3, 32, 48]
    assert found["classes"] == ["a", "b", "c"]
    # The same network gives the same picture here.
    from mmengine.config import Config

    runner.model.eval()
    runner.model.cfg = Config.fromfile(tmp_path / "config.py")
    logits = inference_model(runner.model, image).seg_logits.data
    assert found["mean"] == pytest.approx(float(logits.double().mean()), rel=1e-5, abs=1e-7)
