import copy
import math

import pytest
import torch
import torch.nn.functional as F
from seg_toy import build_runner, resnet18, segmentor, toy_config, train, write_imagenet_file

from mmasg.consistency import ContrastiveAgreement, ImageNetConsistencyHook
from mmasg.consistency.contrastive import info_nce
from mmasg.consistency.memory_bank import MemoryBank


def unit(*shape):
    return F.normalize(torch.randn(*shape), dim=-1)


def test_info_nce_is_the_papers_equation():
    queries, keys = unit(3, 5), unit(7, 5)
    own = [2, 0, 6]
    expected = 0.0
    for query, place in zip(queries, own, strict=True):
        powers = [math.exp(float(query @ key) / 0.1) for key in keys]
        expected -= math.log(powers[place] / sum(powers)) / 3
    assert float(info_nce(queries, keys, torch.tensor(own), 0.1)) == pytest.approx(expected)


def test_the_bank_forgets_the_oldest():
    bank = MemoryBank(5, 1)
    assert bank.known().shape == (0, 1)
    for start in (0, 3, 6):
        bank.add(torch.arange(start, start + 3.0)[:, None])
    assert sorted(bank.known().flatten().tolist()) == [4, 5, 6, 7, 8]
    again = MemoryBank(5, 1)
    again.load_state_dict(bank.state_dict())
    for one in (bank, again):
        one.add(torch.tensor([[9.0], [10.0]]))
    assert torch.equal(again.rows, bank.rows)
    assert sorted(again.known().flatten().tolist()) == [6, 7, 8, 9, 10]


def test_two_iterations_by_hand():
    """Projections, momentum, bank and both stages, written once more."""
    loss = ContrastiveAgreement([1, 2], bank_size=8, projection=4, momentum=0.9, temperature=0.2)
    loss.build([6, 3])
    with torch.no_grad():
        for key in loss.keys.parameters():  # an average that is behind
            key.add_(0.1 * torch.randn_like(key))
    queries, keys = copy.deepcopy(loss.queries), copy.deepcopy(loss.keys)
    past = [torch.zeros(0, 4), torch.zeros(0, 4)]
    for _ in range(2):
        student = [torch.rand(3, 6, 4, 4), torch.rand(3, 3, 2, 2)]
        teacher = [torch.rand(3, 6, 4, 4), torch.rand(3, 3, 2, 2)]
        total = 0.0
        with torch.no_grad():
            for s in range(2):
                for k, q in zip(keys[s].parameters(), queries[s].parameters(), strict=True):
                    k.copy_(0.9 * k + 0.1 * q)
                pool = []
                for maps in (student[s], teacher[s]):
                    x = maps.flatten(2)
                    weights = (x * x.mean(2, keepdim=True)).sum(1, keepdim=True)
                    pool.append((x * weights / weights.sum(2, keepdim=True)).sum(2))
                q = F.normalize(queries[s](pool[0]), dim=1)
                k = F.normalize(keys[s](pool[1]), dim=1)
                for i in range(3):
                    negatives = [k[j] for j in range(3) if j != i] + list(past[s])
                    powers = [math.exp(float(q[i] @ n) / 0.2) for n in negatives]
                    own = math.exp(float(q[i] @ k[i]) / 0.2)
                    total -= math.log(own / (own + sum(powers))) / 3
                past[s] = torch.cat([past[s], k])
        assert float(loss(student, teacher)) == pytest.approx(total, rel=1e-5)


def test_only_the_student_and_its_projection_learn():
    loss = ContrastiveAgreement(bank_size=8, projection=4)
    loss.build([6])
    student = torch.rand(2, 6, 3, 3, requires_grad=True)
    teacher = torch.rand(2, 6, 3, 3, requires_grad=True)
    loss([student], [teacher]).backward()
    assert student.grad.any() and teacher.grad is None
    assert all(p.grad.any() for p in loss.queries.parameters())
    assert not any(p.requires_grad for p in loss.keys.parameters())
    before = copy.deepcopy(loss.state_dict())
    with torch.no_grad():  # measured, nothing moves
        loss([student], [teacher])
    assert all(torch.equal(v, before[k]) for k, v in loss.state_dict().items())


def test_gathered_batches_are_one_batch():
    whole = ContrastiveAgreement(negatives="batch", projection=4)
    whole.build([6])
    student, teacher = torch.rand(4, 6, 2, 2), torch.rand(4, 6, 2, 2)
    expected = float(whole([student], [teacher]))
    parts = []
    for rank in range(2):
        one = copy.deepcopy(whole)
        mine = slice(2 * rank, 2 * rank + 2)
        everyone = F.normalize(one.keys[0](one.pool(teacher)), dim=1)
        one.rank, one.gather = rank, lambda rows, everyone=everyone: everyone
        parts.append(float(one([student[mine]], [teacher[mine]])))
    assert sum(parts) / 2 == pytest.approx(expected, rel=1e-5)


def test_regions_are_crops():
    maps, teacher = torch.rand(2, 3, 5, 4), torch.rand(2, 3, 5, 4)
    dense = ContrastiveAgreement(negatives="batch", projection=None, grid=2)
    plain = ContrastiveAgreement(negatives="batch", projection=None)
    dense.build([3])
    plain.build([3])
    cut = [(slice(0, 3), slice(0, 2)), (slice(0, 3), slice(2, 4)),
           (slice(3, 5), slice(0, 2)), (slice(3, 5), slice(2, 4))]  # fmt: skip
    vectors = [torch.cat([plain.pool(m[:, :, a, b]) for a, b in cut]) for m in (maps, teacher)]
    expected = plain(*[[v[:, :, None, None]] for v in vectors])
    torch.testing.assert_close(dense([maps], [teacher]), expected)
    with pytest.raises(ValueError, match="H and W of 2 or more"):
        dense([maps[:, :, :1]], [teacher[:, :, :1]])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(stages=3), TypeError, "stages: got 3; allowed: a list of output indices or names"),
        (dict(stages="layer4"), TypeError, "stages: got 'layer4'; allowed: a list"),
        (dict(stages=[3, 3]), ValueError, "each stage once"),
        (dict(negatives="queue"), ValueError, "negatives: got 'queue'; allowed: 'bank' or 'batch'"),
        (dict(bank_size=0), ValueError, "bank_size: got 0"),
        (dict(projection=0), ValueError, "projection: got 0"),
        (dict(momentum=1), ValueError, "momentum: got 1; allowed: a number from 0 to below 1"),
        (dict(temperature=0), ValueError, "temperature: got 0"),
        (dict(pool="max"), ValueError, "pool: got 'max'; allowed: 'attention' or 'mean'"),
        (dict(grid=1.5), ValueError, "grid: got 1.5"),
    ],
)
def test_wrong_arguments(options, error, message):
    with pytest.raises(error, match=message):
        ContrastiveAgreement(**options)


# -- in a training -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    return write_imagenet_file(tmp_path_factory.mktemp("imagenet") / "r18.pth", resnet18())


SAVING = dict(
    checkpoint=dict(type="AtomicCheckpointHook", by_epoch=False, interval=3),
    logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
)
CONTRAST = dict(type="ContrastiveAgreement", stages=[2, "layer4:output"], projection=8)


def state_of(runner):
    hook = next(h for h in runner.hooks if isinstance(h, ImageNetConsistencyHook))
    return hook._state.losses.state_dict()


def test_resumes_exactly_with_bank_projection_and_the_kl_beside(tmp_path, imagenet):
    options = dict(
        loss=[dict(type="ImageNetKLLoss"), dict(CONTRAST, bank_size=5)], loss_weight=[2.0, 0.5]
    )
    optimizer = dict(optimizer=dict(type="SGD", lr=0.01, momentum=0.9), accumulative_counts=2)

    def config(name, iters, **extra):
        extra = dict(extra, default_hooks=SAVING, optim_wrapper=optimizer)
        model = segmentor(resnet18(imagenet))
        return toy_config(tmp_path / name, model, options, max_iters=iters, **extra)

    whole_runner, whole = train(config("a", 5))
    row = whole.log[1]
    assert row["loss_imagenet"] == pytest.approx(
        2 * row["kl_imagenet"] + 0.5 * row["contrast_imagenet"], rel=1e-5
    )
    # In the middle of two batches that are one step: gradients of the projections wait, too.
    saved = str(tmp_path / "a/iter_3.pth")
    rest_runner, rest = train(config("b", 5, resume=True, load_from=saved))
    assert rest.log == whole.log[3:]
    ours, theirs = state_of(rest_runner), state_of(whole_runner)
    assert {"1.queries.0.0.weight", "1.banks.1.rows", "1.keys.1.2.bias"} <= set(ours)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert int(state_of(rest_runner)["1.banks.0.filled"]) == 5
    # What the model is, is the model alone.
    plain = build_runner(toy_config(tmp_path / "c", segmentor(resnet18(imagenet)))).model
    assert set(rest_runner.model.state_dict()) == set(plain.state_dict())
    groups = rest_runner.optim_wrapper.optimizer.param_groups
    extra = sum(len(g["params"]) for g in groups) - len(list(plain.parameters()))
    assert extra == 8  # two projections of two layers


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (dict(CONTRAST, stages=[4]), "loss.stages: got index 4, but the backbone returns 4"),
        (dict(CONTRAST, stages=["layer5"]), "loss.stages: ResNet has no submodule 'layer5'"),
        (dict(CONTRAST, bank_size=1), "bank_size: got 1; allowed: at least 2, what one batch"),
        (dict(CONTRAST, bank_size=7, grid=2), r"at least 8, .* \(2 crops, 2x2 regions each\)"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_iteration(tmp_path, imagenet, loss, message):
    runner = build_runner(
        toy_config(tmp_path, segmentor(resnet18(imagenet)), dict(loss=loss, loss_weight=1.0))
    )
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert runner.iter == 0


def test_batch_of_one_crop():
    with pytest.raises(ValueError, match="With one crop there is no negative; use negatives='bank"):
        ContrastiveAgreement(negatives="batch").check_batch(1)
    loss = ContrastiveAgreement(negatives="batch", projection=4)
    loss.build([6])
    last = torch.rand(1, 6, 2, 2, requires_grad=True)  # of an epoch
    value = loss([last], [torch.rand(1, 6, 2, 2)])
    value.backward()
    assert float(value.detach()) == 0 and not last.grad.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(loss=[CONTRAST, CONTRAST], loss_weight=1.0), "a list of weights for the 2 losses"),
        (dict(loss=[CONTRAST, CONTRAST], loss_weight=[1, 1]), "logged under different names"),
        (dict(loss=[CONTRAST], loss_weight=[0]), r"loss_weight\[0\]: got 0"),
        (dict(loss=CONTRAST, teacher_cache=dict(dir="x")), "compares stages"),
    ],
)
def test_wrong_lists_of_losses(options, message):
    with pytest.raises(ValueError, match=message):
        ImageNetConsistencyHook(**options)
