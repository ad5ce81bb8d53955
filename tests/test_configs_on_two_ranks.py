"""Every config trains on several processes, and none needs ``find_unused_parameters``."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from leaves import LEAVES

_SAME = re.compile(
    "_b[25]|_r50_|_r101_|_lite2_|^group_policy|mask2former|_ceiling|_adapt_|pasta|photometric"
    "|carla2camvid_relative_(contrast$|augcal|whitening|averaged|dinov2)"
)
#: Without those that are another config's, deeper or with fewer hooks (test_mask2former.py has it),
#: and the one that draws its trainings (tests/l2o/test_group_policy_loop.py trains such a loop);
#: of the ways of adaptation one of each hook: rounds and ceilings train as their bases do; of what
#: stands on both pairs the miniature's, and nothing that differs in the images alone.
RUN = [
    path
    for path in LEAVES
    if not _SAME.search(path.stem)
    or re.fullmatch("carla2camvid_adapt_(teacher|entropy|dann)|gta2cityscapes_r50_ibn", path.stem)
]


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="compares gloo ranks on CPUs")
def test_every_config_trains_two_iterations_on_two_ranks(tmp_path):
    env = dict(os.environ, OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="", PYTHONWARNINGS="ignore")
    for domain in ("TRAIN_ROOT", "TEST_ROOT"):
        for name in ("cup", "lamp"):
            (tmp_path / domain / name).mkdir(parents=True)
        env[domain] = str(tmp_path / domain)
    script = Path(__file__).with_name("ddp_configs.py")
    ranks = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(tmp_path), *map(str, RUN)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    for rank in ranks:
        output, _ = rank.communicate(timeout=900)
        assert rank.returncode == 0, output[-3000:]
    first, second = (torch.load(tmp_path / f"rank{r}.pt") for r in range(2))
    assert set(first) == {path.stem for path in RUN}
    for name, run in first.items():
        assert run["iters"] == 2, name
        assert run["moved"] > 0, name
        # Gradients that are not averaged would drive the ranks apart.
        assert run["weights"] == second[name]["weights"], name
        assert all(value == value for row in run["log"] for value in row.values()), name
