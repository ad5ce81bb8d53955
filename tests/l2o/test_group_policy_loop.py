import json
from pathlib import Path

import pytest
import torch
from l2o_toy import SCORE, toy_config
from mmengine.config import Config
from mmengine.runner import Runner

from mmasg.l2o import load_group_policy
from mmasg.visualization.reward_curve import read_updates

ES = dict(type="EvolutionTrainer", pairs=1)
REINFORCE = dict(type="ReinforceTrainer", episodes=2)


def meta_config(folder, trainer=ES, max_iters=2, **train_cfg):
    folder.mkdir(parents=True, exist_ok=True)
    env = toy_config(folder / "env", max_iters=9)
    (folder / "env.json").write_text(json.dumps(env._cfg_dict.to_dict()))
    draws = [dict(log_uniform=(0.01, 1.0), keys="optim_wrapper.optimizer.lr")]
    environment = dict(
        config=str(folder / "env.json"), window=3, observes="groups", score=SCORE, draws=draws
    )
    settings = dict(environments=environment, trainer=trainer, workers=1)
    return Config(
        dict(
            model=dict(type="TrainableGroupPolicy", hidden_size=4),
            work_dir=str(folder),
            train_dataloader=dict(),
            train_cfg=dict(
                type="GroupPolicyLoop", max_iters=max_iters, **{**settings, **train_cfg}
            ),
            optim_wrapper=dict(optimizer=dict(type="Adam", lr=0.05)),
            default_hooks=dict(
                logger=dict(type="LoggerHook", interval=1),
                checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1),
            ),
            log_processor=dict(by_epoch=False, window_size=1),
            experiment_name=f"group_meta_{folder.name}",
            randomness=dict(seed=0),
            log_level="WARNING",
        )
    )


@pytest.mark.parametrize("trainer", [ES, REINFORCE], ids=["es", "reinforce"])
def test_trains_and_resumes_to_the_same_numbers(tmp_path, trainer):
    options = dict(trainer=trainer, draws=2 if trainer is REINFORCE else 1)
    whole = Runner.from_cfg(meta_config(tmp_path / "whole", **options))
    before = {k: v.clone() for k, v in whole.model.state_dict().items()}
    whole.train()
    after = whole.model.state_dict()
    assert any(not torch.equal(v, after[k]) for k, v in before.items() if "head" in k)
    saved = load_group_policy(tmp_path / "whole" / "iter_2.pth")
    assert all(torch.equal(v, after[k]) for k, v in saved.state_dict().items())

    config = meta_config(tmp_path / "resumed", **options)
    config.load_from, config.resume = str(tmp_path / "whole" / "iter_1.pth"), True
    resumed = Runner.from_cfg(config)
    resumed.train()
    assert all(torch.equal(v, after[k]) for k, v in resumed.model.state_dict().items())
    rows = [read_updates(tmp_path / name) for name in ("whole", "resumed")]
    assert [row["step"] for row in rows[0]] == [1, 2]
    keys = ("step", "reward", "advantage", "entropy", "mean_multiplier", "last_score", "loss")
    last = [tuple(row[key] for key in keys) for row in (rows[0][-1], rows[1][-1])]
    assert last[0] == last[1] and len(rows[1]) == 1
    assert all(0 < row["last_score"] < 100 for row in rows[0])


def test_errors(tmp_path):
    def refused(kind, match, **changes):
        config = meta_config(tmp_path / "refused", **changes)
        with pytest.raises(kind, match=match):
            Runner.from_cfg(config).train()

    refused(ValueError, "train_cfg.draws: got 0", draws=0)
    refused(ValueError, "workers: got 0", workers=0)
    refused(ValueError, "train_cfg.environments: got .*at least one", environments=[])
    layers = dict(config=str(tmp_path / "refused" / "env.json"), window=3)
    refused(ValueError, "observes: got 'layers'; allowed: 'groups'", environments=layers)
    config = meta_config(tmp_path / "refused")
    config.model = dict(type="ReinforcePolicy", num_groups=3)
    with pytest.raises(TypeError, match="model: got 'ReinforcePolicy'.*TrainableGroupPolicy"):
        Runner.from_cfg(config).train()
    explode = dict(
        config=str(Path(tmp_path / "refused" / "env.json")),
        window=3,
        observes="groups",
        overrides={"model.explode_at": 1},
    )
    refused(RuntimeError, r"trainings \[1\] diverged in their first window", environments=explode)
