import pytest
import torch
from l2o_toy import toy_config
from mmengine.registry import OPTIMIZERS
from mmengine.runner import Runner

from mmasg.l2o import GroupRates
from mmasg.optim import PACKAGE_OPTIMIZERS, RelativeStepHook, package_optimizers

for _module in ("pytorch_optimizer", "dog"):
    pytest.importorskip(_module, reason="needs: pip install mmasg[rates]")

#: Settings at which the toy moves in a few steps.
SETTINGS = {
    "DAdaptationSGD": dict(lr=1.0, momentum=0.9, d0=1e-3),
    "DAdaptationAdam": dict(lr=1.0, d0=1e-3),
    "Prodigy": dict(lr=1.0, d0=1e-3, safeguard_warmup=True),
    "ScheduleFreeSGD": dict(lr=0.1, warmup_steps=3),
    "ScheduleFreeAdamW": dict(lr=0.01, warmup_steps=3),
    "LARS": dict(lr=1.0, momentum=0.9, weight_decay=1e-3),
    "LayerwiseDoG": dict(lr=1.0, reps_rel=1e-2),
}
ONE_RATE = [name for name in SETTINGS if name.startswith(("DAdaptation", "Prodigy"))]


def entries(*rates):
    made = []
    for index, rate in enumerate(rates):
        weight = torch.full((2, 3), 2.0, requires_grad=True)
        weight.grad = torch.ones(2, 3)
        group = dict(params=[weight], group_name=f"g{index}", group_index=index)
        made.append(group if rate is None else dict(group, lr=rate))
    return made


def build(name, *rates, **changes):
    settings = dict(type=name, **{**SETTINGS.get(name, {}), **changes})
    return OPTIMIZERS.build(settings, default_args=dict(params=entries(*rates)))


def test_all_are_registered_and_tested():
    assert set(SETTINGS) == set(PACKAGE_OPTIMIZERS)
    for name, (module, kind) in PACKAGE_OPTIMIZERS.items():
        optimizer = build(name, None)
        assert type(optimizer).__name__ == kind
        assert type(optimizer).__module__.split(".")[0] == module


def test_groups_have_rates_of_their_own_where_the_optimizer_takes_them():
    optimizer = build("LARS", 0.1, 1.0, momentum=0.0, weight_decay=0.0)
    body, head = (group["params"][0] for group in optimizer.param_groups)
    optimizer.step()
    # 2 - rate * trust_coefficient * |w| / |g|, with |w| = 2 sqrt(6) and |g| = sqrt(6).
    torch.testing.assert_close(body.detach(), torch.full((2, 3), 2.0 - 0.1 * 1e-3 * 2))
    torch.testing.assert_close(head.detach(), torch.full((2, 3), 2.0 - 1.0 * 1e-3 * 2))
    for name in set(SETTINGS) - set(ONE_RATE):
        assert [group["lr"] for group in build(name, 0.1, 1.0).param_groups] == [0.1, 1.0]


@pytest.mark.parametrize("name", ONE_RATE)
def test_one_rate_for_all_is_not_multiplied(name):
    with pytest.raises(ValueError, match=rf"the groups\): got \[0.1, 1.0\].*{name} estimates"):
        build(name, 0.1, 1.0)
    optimizer = build(name, None, None)
    with pytest.raises(
        ValueError, match="LayerLRPolicyHook sets the rates.*estimates one rate for all"
    ):
        GroupRates(optimizer)
    with pytest.raises(ValueError, match="from steps that nobody else has changed"):
        RelativeStepHook().attach(optimizer)


def test_what_relative_steps_take_and_refuse():
    for name, reason in (("ScheduleFreeSGD", "swaps the weights"), ("LayerwiseDoG", "(DoG)")):
        with pytest.raises(ValueError, match=reason):
            RelativeStepHook().attach(build(name, None))
    optimizer = build("LARS", None)
    RelativeStepHook(head=1e-2).attach(optimizer)
    (weight,) = optimizer.param_groups[0]["params"]
    optimizer.step()
    # Every element of 2 by its hundredth; the difference of two float32 numbers near 2.
    torch.testing.assert_close(weight.detach(), torch.full((2, 3), 1.98), rtol=2e-7, atol=0)


def test_an_argument_that_the_package_would_ignore():
    with pytest.raises(ValueError, match=r"optimizer\.momentun: got 0.9.*Did you mean 'momentum'"):
        build("LARS", None, momentun=0.9)


def test_a_package_that_is_not_there(monkeypatch):
    monkeypatch.setitem(package_optimizers.PACKAGE_OPTIMIZERS, "LARS", ("no_such_package", "LARS"))
    message = r"type='LARS' needs no_such_package.*pip install 'mmasg\[rates\]'"
    with pytest.raises(ImportError, match=message):
        build("LARS", None)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_resumed_run_goes_on_to_the_same_bits(tmp_path, name):
    hooks = [dict(type="KeyedRandomnessHook"), dict(type="TrainingCheckHook")]
    if name.startswith("ScheduleFree"):
        hooks.append(dict(type="ScheduleFreeHook"))

    def config(folder, **more):
        made = toy_config(tmp_path / folder, max_iters=8, custom_hooks=hooks, **more)
        made.optim_wrapper.optimizer = dict(type=name, **SETTINGS[name])
        made.default_hooks.checkpoint.interval = 4
        made.train_dataloader.sampler = dict(type="KeyedInfiniteSampler")
        made.pop("custom_imports")
        return made.to_dict()

    # Without a config of its own, whose text mmengine would lay out for every checkpoint.
    whole = Runner(**config("whole"))
    start = [p.detach().clone() for p in whole.model.parameters()]
    whole.train()
    path = str(tmp_path / "whole" / "iter_4.pth")
    rest = Runner(**config("rest", load_from=path, resume=True))
    rest.train()
    for ours, theirs, first in zip(
        rest.model.parameters(), whole.model.parameters(), start, strict=True
    ):
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, first)
