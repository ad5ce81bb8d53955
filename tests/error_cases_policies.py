"""Wrong inputs of the policy for all groups and of its training; read by test_errors_page.py."""

import torch
from error_cases import case, grouped, start, toy
from load_tool import load_tool
from mini_run import write_policy

from mmasg.l2o import EpisodeDraws, EvolutionTrainer, GroupPolicy, build_policy, save_group_policy
from mmasg.l2o.group_policy_loop import check_environments


def with_group_policy(folder, **hook):
    hooks = [dict(type="GroupPolicyHook", **hook)]
    start(grouped(folder, dict(preset="resnet"), hooks=hooks))


@case("Group policy", "a policy of the other kind", "meta.kind", "LayerLRPolicyHook(policy=...)")
def _(folder, patch):
    with_group_policy(folder, policy=str(write_policy(folder / "policy.pth")))


@case("Group policy", "a group policy in the other hook", "meta.kind", "GroupPolicyHook(policy=")
def _(folder, patch):
    save_group_policy(GroupPolicy(), folder / "group.pth")
    build_policy(str(folder / "group.pth"))


@case("Group policy", "a group policy that is cut off", "group.pth", "again")
def _(folder, patch):
    path = folder / "group.pth"
    save_group_policy(GroupPolicy(), path)
    path.write_bytes(path.read_bytes()[:1000])
    with_group_policy(folder, policy=str(path))


@case("Group policy", "a group policy of other inputs", "meta.inputs", "train it anew")
def _(folder, patch):
    path = folder / "group.pth"
    save_group_policy(GroupPolicy(), path)
    content = torch.load(path)
    content["meta"]["inputs"]["run"].pop()
    torch.save(content, path)
    with_group_policy(folder, policy=str(path))


@case("Group policy", "a misspelt mode of its decisions", "mode: got 'maen'", "Did you mean 'mean'")
def _(folder, patch):
    with_group_policy(folder, policy=dict(type="GroupPolicy"), mode="maen")


@case("Group policy", "a group policy without layer groups", "group_name", "LayerGroupOptim")
def _(folder, patch):
    start(toy(folder, hooks=[dict(type="GroupPolicyHook", policy=dict(type="GroupPolicy"))]))


@case("Group policy", "hand-set rates under a group policy", "lr_mult=0.1", "drop `lr_mult`")
def _(folder, patch):
    hooks = [dict(type="GroupPolicyHook", policy=dict(type="GroupPolicy"))]
    start(grouped(folder, dict(preset="resnet", lr_mult=0.1), hooks=hooks))


@case("Group policy", "environments that show rates", "observes: got 'layers'", "'groups'")
def _(folder, patch):
    check_environments(dict(config="training.py", window=10))


@case("Group policy", "a factor of episodes of no known form", "draws[0]", "log_uniform")
def _(folder, patch):
    EpisodeDraws([dict(normal=(0, 1), keys="optim_wrapper.optimizer.lr")])


@case("Group policy", "no pair of episodes", "trainer.pairs: got 0", ">= 1")
def _(folder, patch):
    EvolutionTrainer(pairs=0)


@case("Group policy", "tuning for no time", "--hours: got 0.0", "above 0")
def _(folder, patch):
    load_tool("tune_rates").main(["training.py", "--hours", "0"])
