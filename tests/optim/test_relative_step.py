import json

import pytest
import torch
from l2o_toy import toy_config, toy_runner
from mmengine.runner import Runner

from mmasg.optim import CaffeSGD, RelativeStepHook
from mmasg.optim.named_groups import add_guests

KINDS = [
    (torch.optim.SGD, dict(momentum=0.9, weight_decay=0.01)),
    (torch.optim.AdamW, dict(weight_decay=0.01)),
    (torch.optim.Adam, dict()),
    (torch.optim.RMSprop, dict(momentum=0.9)),  # measured, not known
    (torch.optim.NAdam, dict()),
    (CaffeSGD, dict(momentum=0.9)),
]


def build(kind=torch.optim.SGD, lr=0.1, **kwargs):
    generator = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(50, generator=generator, requires_grad=True) for _ in range(3))
    entries = [
        dict(params=[a], group_name="body", group_index=0),
        dict(params=[b], group_name="body", group_index=0, weight_decay=0.0),
        dict(params=[c], group_name="head", group_index=1),
    ]
    return kind(entries, lr=lr, **kwargs), (a, b, c)


def steps(optimizer, parameters, count=4, loss_scale=1.0):
    """Relative norms of the updates of body and head, step by step."""
    found = []
    for number in range(count):
        optimizer.zero_grad()
        loss = sum(((p - number) ** 2).mean() for p in parameters)
        (loss_scale * loss).backward()
        before = [p.detach().clone() for p in parameters]
        optimizer.step()
        moved = [(p.detach() - b) for p, b in zip(parameters, before, strict=True)]
        body = torch.cat(moved[:2]).norm() / torch.cat(before[:2]).norm()
        found.append((float(body), float(moved[2].norm() / before[2].norm())))
    return found


@pytest.mark.parametrize("kind, kwargs", KINDS)
@pytest.mark.parametrize("lr", [1e-3, 3.0])
def test_every_update_is_the_wanted_fraction(kind, kwargs, lr):
    optimizer, parameters = build(kind, lr, **kwargs)
    RelativeStepHook(body=1e-3, head=1e-2).attach(optimizer)
    for body, head in steps(optimizer, parameters):
        # A difference of float32 weights: 1e-3 of the weights is known to 6e-8 / 1e-3.
        assert body == pytest.approx(1e-3, rel=3e-4)
        assert head == pytest.approx(1e-2, rel=3e-5)
    assert [group["lr"] for group in optimizer.param_groups] == [lr] * 3


@pytest.mark.parametrize("kind, kwargs", KINDS[:2])
def test_base_rate_and_scale_of_the_loss_cancel(kind, kwargs):
    kwargs = {**kwargs, "weight_decay": 0.0}  # decay does not scale with the loss
    if kind is torch.optim.AdamW:
        kwargs["eps"] = 0.0
    ends = []
    for lr, scale in ((1e-6, 1.0), (0.1, 1.0), (50.0, 1.0), (0.1, 1024.0)):
        optimizer, parameters = build(kind, lr, **kwargs)
        RelativeStepHook().attach(optimizer)
        steps(optimizer, parameters, 6, scale)
        ends.append(torch.cat([p.detach() for p in parameters]))
    for end in ends[1:]:
        # Rates are rounded in another place: some float32 steps in the last bit.
        torch.testing.assert_close(end, ends[0], rtol=1e-6, atol=1e-7)


def test_schedule_and_multipliers_act_on_the_fraction():
    from mmasg.l2o import GroupRates

    optimizer, parameters = build()
    hook = RelativeStepHook(body=1e-3, head=1e-2)
    hook.attach(optimizer)
    rates = GroupRates(optimizer)
    rates.attach()
    rates.set([2.0, 0.5])
    for group in optimizer.param_groups:
        group["lr"] = 0.25 * group["initial_lr"]  # as a scheduler does
    body, head = steps(optimizer, parameters, 1)[0]
    assert body == pytest.approx(1e-3 * 0.25 * 2, rel=1e-3)
    assert head == pytest.approx(1e-2 * 0.25 * 0.5, rel=1e-4)
    assert hook.fractions == {"body": 5e-4, "head": 1.25e-3}
    assert [group["lr"] for group in optimizer.param_groups] == [0.025] * 3


def test_single_groups_and_groups_that_stand_still():
    optimizer, parameters = build(momentum=0.9)
    RelativeStepHook(head=1e-2, groups=dict(body=0)).attach(optimizer)
    before = parameters[0].detach().clone()
    assert steps(optimizer, parameters)[-1] == (0.0, pytest.approx(1e-2, rel=1e-4))
    assert torch.equal(parameters[0], before)


@pytest.mark.parametrize("kind, kwargs", KINDS)
def test_weights_without_a_gradient_do_not_count(kind, kwargs):
    """A layer that no loss reaches must not make the steps of the others larger."""
    optimizer, (a, b, c) = build(kind, **kwargs)
    RelativeStepHook(body=1e-3).attach(optimizer)
    ((a**2).mean() + (c**2).mean()).backward()
    before = a.detach().clone()
    optimizer.step()
    # A difference of float32 weights: 1e-3 of the weights is known to 6e-8 / 1e-3.
    assert float((a.detach() - before).norm() / before.norm()) == pytest.approx(1e-3, rel=3e-4)
    optimizer.zero_grad()
    (c**2).mean().backward()  # a whole group without: it stands still
    stood = a.detach().clone()
    optimizer.step()
    assert torch.equal(a, stood)


def test_zero_gradients_and_zero_weights():
    optimizer, (a, b, c) = build()
    with torch.no_grad():
        c.zero_()
    RelativeStepHook(head=1e-2, floor=1e-3).attach(optimizer)
    (a.sum() * 0 + b.sum() * 0 + c.sum()).backward()
    before = a.detach().clone()
    optimizer.step()
    assert torch.equal(a, before)
    # |w| is taken for floor * sqrt(50): every equal gradient moves its weight by 1e-2 * floor.
    torch.testing.assert_close(c.detach(), torch.full((50,), -1e-5))
    optimizer, (_, _, c) = build()
    with torch.no_grad():
        c.zero_()
    with pytest.raises(ValueError, match="floor: got 0.0; allowed: a number above 0.*'head'"):
        RelativeStepHook(floor=0).attach(optimizer)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.RMSprop])
def test_norms_over_matrices_alone(kind):
    generator = torch.Generator().manual_seed(0)
    weight, scale, bias = (
        torch.randn(*shape, generator=generator, requires_grad=True)
        for shape in ((6, 8), (6,), (5,))
    )
    entries = [
        dict(params=[weight, scale], group_name="layer", group_index=0),
        dict(params=[bias], group_name="head", group_index=1),
    ]
    optimizer = kind(entries, lr=0.1)
    hook = RelativeStepHook(body=1e-2, head=1e-2, norm_over="matrices")
    assert hook.trained_with()["norm_over"] == "matrices"
    hook.attach(optimizer)
    before = [p.detach().clone() for p in (weight, scale, bias)]
    (weight.square().sum() + 100 * scale.square().sum() + bias.square().sum()).backward()
    optimizer.step()
    moved = [(p.detach() - b).norm() for p, b in zip((weight, scale, bias), before, strict=True)]
    assert float(moved[0] / before[0].norm()) == pytest.approx(1e-2, rel=3e-5)
    # The group without a matrix counts what it has.
    assert float(moved[2] / before[2].norm()) == pytest.approx(1e-2, rel=3e-5)
    if kind is torch.optim.SGD:  # the scale moves at the matrix's rate, by a hundred gradients
        assert float(moved[1] / before[1].norm()) == pytest.approx(1.0, rel=3e-5)


class ScheduleFree(torch.optim.SGD):
    def train(self):
        pass

    def eval(self):
        pass


def test_errors():
    with pytest.raises(TypeError, match="RelativeStepHook.body: got '1e-4'"):
        RelativeStepHook(body="1e-4")
    with pytest.raises(ValueError, match="RelativeStepHook.head: got -1"):
        RelativeStepHook(head=-1)
    with pytest.raises(ValueError, match="allowed: body, head. Did you mean 'head'"):
        RelativeStepHook(groups=dict(haed=1e-3)).attach(build()[0])
    with pytest.raises(ValueError, match=r"optimizer.lr: got 0.0; allowed: any number above 0"):
        RelativeStepHook().attach(build(lr=0.0)[0])
    with pytest.raises(ValueError, match="swaps the weights between training and evaluation"):
        RelativeStepHook().attach(build(ScheduleFree)[0])
    lone = torch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="closure several times a step"):
        RelativeStepHook().attach(torch.optim.LBFGS([lone]))
    with pytest.raises(ValueError, match="sparse gradients"):
        RelativeStepHook().attach(torch.optim.SparseAdam([lone]))
    with pytest.raises(ValueError, match="norm_over: got 'vectors'; allowed: 'all' or 'matrices'"):
        RelativeStepHook(norm_over="vectors")
    optimizer, (a, *_) = build()
    RelativeStepHook().attach(optimizer)
    a.grad = torch.sparse_coo_tensor([[0]], [1.0], (50,))
    with pytest.raises(ValueError, match="gradients of group 'body': got 'a sparse tensor'.*dense"):
        optimizer.step()
    with pytest.raises(ValueError, match="RelativeStepHook sets the rates of layer groups, but"):
        RelativeStepHook().attach(torch.optim.SGD([lone], lr=0.1))


HOOK = dict(type="RelativeStepHook", body=1e-3, head=1e-2)


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW", "RMSprop"])
def test_a_resumed_run_goes_on_to_the_same_bits(tmp_path, optimizer):
    kind = dict(type=optimizer, lr=0.1)
    extra = dict(custom_hooks=[HOOK, dict(type="KeyedRandomnessHook")])

    def config(folder, **more):
        made = toy_config(tmp_path / folder, max_iters=8, **extra, **more)
        made.optim_wrapper.optimizer = kind
        made.optim_wrapper.accumulative_counts = 2
        made.default_hooks.checkpoint.interval = 4
        made.train_dataloader.sampler = dict(type="KeyedInfiniteSampler")
        made.pop("custom_imports")
        return made.to_dict()

    # Without a config of its own, whose text mmengine would lay out for every checkpoint.
    whole = Runner(**config("whole"))
    whole.train()
    path = str(tmp_path / "whole" / "iter_4.pth")
    rest = Runner(**config("rest", load_from=path, resume=True))
    rest.train()
    for ours, theirs in zip(rest.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_run_logs_fractions_and_rates(tmp_path):
    runner = toy_runner(tmp_path, custom_hooks=[HOOK], max_iters=8)
    runner.train()
    file = next(tmp_path.rglob("vis_data/*_*.json"), None) or next(tmp_path.rglob("scalars.json"))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    found = [row for row in rows if "relative_step/rest" in row]
    # mmengine's poly of power 0.9 over 8 iterations reaches 0 with the last: 3 of 7 are done.
    assert found[0]["relative_step/first"] == pytest.approx(1e-3 * (4 / 7) ** 0.9, rel=1e-6)
    assert found[0]["relative_step/rest"] == pytest.approx(1e-2 * (4 / 7) ** 0.9, rel=1e-6)
    assert found[0]["lr/rest"] > 0


def test_several_optimizers_are_refused(tmp_path):
    from mmengine.optim import OptimWrapper, OptimWrapperDict

    runner = toy_runner(tmp_path)
    runner.optim_wrapper = OptimWrapperDict(a=OptimWrapper(build()[0]))
    with pytest.raises(TypeError, match="RelativeStepHook needs one optimizer, got optim_wrapper="):
        RelativeStepHook().before_train(runner)


@pytest.mark.parametrize("kind, kwargs", [KINDS[0], KINDS[1], KINDS[3]])
def test_guests_have_the_groups_rate_and_do_not_count(kind, kwargs):
    """What a loss learns beside the model leaves the model's own steps as they are."""
    alone, parameters = build(kind, 0.1, **kwargs)
    RelativeStepHook(body=1e-3, head=1e-2).attach(alone)
    steps(alone, parameters)
    optimizer, own = build(kind, 0.1, **kwargs)
    guest = torch.nn.Parameter(torch.full((400,), 30.0))
    add_guests(optimizer, [guest])
    RelativeStepHook(body=1e-3, head=1e-2).attach(optimizer)
    before = guest.detach().clone()
    steps(optimizer, [*own, guest])
    for ours, theirs in zip(own, parameters, strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(guest, before)
