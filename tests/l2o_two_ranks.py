"""One rank: a training with a policy, then a policy's training. `l2o_two_ranks.py RANK FOLDER`."""

import os
import sys


def main(rank, folder):
    import torch
    from l2o_toy import policy_hook, toy_config
    from mmengine.config import Config
    from mmengine.runner import Runner

    from mmasg.l2o import GroupPolicy, GroupPolicyHook, save_group_policy

    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    shared = dict(
        launcher="pytorch",
        env_cfg=dict(dist_cfg=dict(backend="gloo")),
        model_wrapper_cfg=dict(
            type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False
        ),
    )
    hook = dict(policy=dict(type="LSTMPolicy", num_groups=3), window=4)
    runner = Runner.from_cfg(toy_config(f"{folder}/run", hook=hook, max_iters=14, **shared))
    found = dict(scalars=[], losses=[])
    hook = policy_hook(runner)
    hook.policy.register_forward_pre_hook(
        lambda _, args: found["scalars"].append(args[0][0, :2].clone())
    )
    after = hook.after_train_iter

    def spy(runner, batch_idx, data_batch=None, outputs=None):
        found["losses"].append(
            torch.stack([outputs["loss_ce"] + outputs["loss_extra"], outputs["kl_imagenet"]])
        )
        after(runner, batch_idx, data_batch, outputs)

    hook.after_train_iter = spy
    torch.manual_seed(rank)  # ranks that would draw differently
    hook.generator.manual_seed(rank)
    runner.train()
    found["losses"] = torch.stack(found["losses"]).detach()
    found["multipliers"] = hook.rates.multipliers
    found["network"] = runner.model.module.state_dict()

    policy = GroupPolicy(hidden_size=4)  # another one on each rank: the first one's decisions hold
    torch.nn.init.normal_(policy.head.weight)
    save_group_policy(policy, f"{folder}/group{rank}.pth")
    group_hook = dict(type="GroupPolicyHook", policy=f"{folder}/group{rank}.pth", window=4)
    runner = Runner.from_cfg(
        toy_config(f"{folder}/groups", custom_hooks=[group_hook], max_iters=8, **shared)
    )
    runner.train()
    group_hook = next(h for h in runner.hooks if isinstance(h, GroupPolicyHook))
    found["group_multipliers"] = group_hook.rates.multipliers
    found["group_facts"] = vars(group_hook.before)
    found["group_network"] = runner.model.module.state_dict()

    env = toy_config(f"{folder}/env", max_iters=24)._cfg_dict.to_dict()
    config = Config(
        dict(
            model=dict(type="ReinforcePolicy", num_groups=3),
            work_dir=f"{folder}/meta",
            train_dataloader=dict(),
            train_cfg=dict(
                type="PolicyGradientLoop",
                max_iters=3,
                environments=dict(config=env, window=3, episode_iters=20),
            ),
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
            default_hooks=dict(checkpoint=dict(by_epoch=False, interval=3, type="CheckpointHook")),
            log_processor=dict(by_epoch=False),
            experiment_name="meta",
            randomness=dict(seed=0),
            **shared,
        )
    )
    runner = Runner.from_cfg(config)
    loop = runner.train_loop
    collect = loop.collect
    found["rollouts"] = []

    def keep():
        rollout, measured = collect()
        found["rollouts"].append(rollout)
        return rollout, measured

    loop.collect = keep
    found["before"] = {k: v.clone() for k, v in runner.model.module.state_dict().items()}
    runner.train()
    found["policy"] = runner.model.module.state_dict()
    torch.save(found, f"{folder}/rank{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    os.environ.update(RANK=sys.argv[1], LOCAL_RANK=sys.argv[1], WORLD_SIZE="2")
    main(int(sys.argv[1]), sys.argv[2])
