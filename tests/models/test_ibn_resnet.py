import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from mmseg.utils import register_all_modules
from seg_toy import linear_state, random_state, resnet18, segmentor, toy_config, train

from mmasg.consistency.teacher import build_teacher
from mmasg.models import InstanceBatchNorm


def ibn18(checkpoint=None, **extra):
    return resnet18(checkpoint, type="IBNResNet", **extra)


def build(cfg):
    register_all_modules(init_default_scope=False)
    return MODELS.build(cfg)


def test_half_the_channels_are_instance_normalised():
    norm = build(dict(type="IBN", num_features=6)).eval()
    assert set(norm.state_dict()) >= {"IN.weight", "IN.bias", "BN.weight", "BN.running_mean"}
    for value in norm.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    x = torch.randn(2, 6, 5, 4)
    first = F.instance_norm(x[:, :3], weight=norm.IN.weight, bias=norm.IN.bias)
    mean, var = norm.BN.running_mean[:, None, None], norm.BN.running_var[:, None, None]
    rest = (x[:, 3:] - mean) / (var + 1e-5).sqrt()
    rest = rest * norm.BN.weight[:, None, None] + norm.BN.bias[:, None, None]
    torch.testing.assert_close(norm(x), torch.cat([first, rest], 1))


def test_ibn_a_is_the_first_norm_of_all_blocks_but_the_last_stages():
    network = build(ibn18())
    where = [name for name, m in network.named_modules() if isinstance(m, InstanceBatchNorm)]
    assert where == [f"layer{stage}.{block}.bn1" for stage in (1, 2, 3) for block in (0, 1)]
    assert len(build(ibn18(ibn_stages=[3], depth=50)).layer4) == 3
    assert [f.shape[1] for f in network(torch.randn(1, 3, 64, 64))] == [8, 16, 32, 64]


def test_its_own_file_gives_a_teacher_and_a_plain_one_does_not(tmp_path):
    state = {**random_state(ibn18()), **linear_state(64)}
    torch.save(state, tmp_path / "ibn.pth")
    student = build(ibn18(tmp_path / "ibn.pth"))
    student.init_weights()
    assert torch.equal(student.layer1[0].bn1.IN.weight, state["layer1.0.bn1.IN.weight"])
    student.eval()
    teacher, images = build_teacher(student), torch.randn(1, 3, 64, 64)
    ours, theirs = teacher.classify(student(images)[-1]), teacher(images).logits
    # The teacher's other BatchNorm layers are folded: rounding through 18 layers.
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    plain = {**random_state(resnet18()), **linear_state(64)}
    torch.save(plain, tmp_path / "plain.pth")
    student = build(ibn18(tmp_path / "plain.pth"))
    student.init_weights()
    norm, weight = student.layer2[1].bn1, plain["layer2.1.bn1.weight"]
    assert torch.equal(torch.cat([norm.IN.weight, norm.BN.weight]), weight)
    assert torch.equal(norm.BN.running_var, plain["layer2.1.bn1.running_var"][8:])
    with pytest.raises(ValueError, match="without a place: .*bn1.weight.*of this very architect"):
        build_teacher(student)


def test_trains_with_consistency(tmp_path):
    torch.save({**random_state(ibn18()), **linear_state(64, scale=0.05)}, tmp_path / "ibn.pth")
    model = segmentor(ibn18(tmp_path / "ibn.pth"))
    # Maps of 2x2 make the gradient of instance normalisation large: small steps.
    slow = dict(optimizer=dict(type="SGD", lr=1e-4))
    runner, seen = train(
        toy_config(tmp_path / "run", model, dict(), max_iters=3, optim_wrapper=slow)
    )
    assert seen.log[0]["kl_imagenet"] <= 1e-6 < seen.log[2]["kl_imagenet"]
    # Statistics of the file, as of any BatchNorm of ImageNet.
    file = torch.load(tmp_path / "ibn.pth")
    norm = runner.model.backbone.layer1[0].bn1.BN
    assert torch.equal(norm.running_mean, file["layer1.0.bn1.BN.running_mean"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(ibn_stages=[4]), r"ibn_stages: got \(4,\); allowed: stages of 0 to 3"),
        (dict(ibn_share=1.0), "IBN.share: got 1.0"),
        (dict(norm_cfg=dict(type="GN", num_groups=4)), "norm_cfg.type: got 'GN'"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        build(ibn18(**options))
