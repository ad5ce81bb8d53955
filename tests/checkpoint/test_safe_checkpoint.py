import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from engine_toy import run_toy, toy_config
from hostile_files import hostile_objects, hostile_streams, write_hostile_files, write_zip
from mmengine.logging import HistoryBuffer

from mmasg.checkpoint.safe_checkpoint import load_checkpoint


@pytest.mark.parametrize("name", hostile_objects("x"))
def test_hostile_pickles_do_run_where_they_are_trusted(tmp_path, name):
    # Or the next test would prove nothing.
    pickle.loads(pickle.dumps(hostile_objects(tmp_path / "ran")[name], 2))
    assert (tmp_path / "ran").is_dir()


def test_hostile_pickles_are_refused_in_every_form(tmp_path, monkeypatch):
    # Nothing in the environment or in the process opens the reader.
    monkeypatch.setenv("MMASG_TRUST_CHECKPOINTS", "1")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.serialization.add_safe_globals([getattr, eval])
    paths = write_hostile_files(tmp_path / "files", tmp_path / "ran")
    assert len(paths) > 50
    try:
        for path in paths:
            # A bare pickle that ends well is no file of torch's.
            bare = "bare" in path.name
            also = rf"|key: {path} .*no PyTorch checkpoint" if bare else ""
            message = rf"key: {path} holds .* and was not loaded{also}"
            with pytest.raises(ValueError, match=message):
                load_checkpoint(path, key="key")
        assert set(torch.serialization.get_safe_globals()) >= {getattr, eval}
    finally:
        torch.serialization.clear_safe_globals()
    assert not (tmp_path / "ran").exists()


def test_the_reason_is_the_true_one(tmp_path):
    path = tmp_path / "a.pth"
    for content, reason in (
        (np.array([1, "a"], dtype=object), r"array or scalar of Python objects \(dtype object\)"),
        (np.zeros(2, dtype=[("a", "f4")]), "dtype 'V4', which is not plain"),
        (slice(3), r"pickled code \(slice\)"),
    ):
        torch.save(dict(state_dict=dict(a=torch.ones(1)), meta=dict(x=content)), path)
        with pytest.raises(ValueError, match=f"holds .*{reason}.*Ask its author"):
            load_checkpoint(path)
    write_zip(path, hostile_streams()["getattr of something else"])
    with pytest.raises(ValueError, match=r"holds code: it looks up 'mro' \(getattr\)"):
        load_checkpoint(path)


def test_code_in_a_torch_archive_of_the_first_years(tmp_path):
    import tarfile

    with tarfile.open(tmp_path / "old.pth", "w") as tar:
        tar.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    with pytest.raises(ValueError, match="tar archive of PyTorch before 0.1.10"):
        load_checkpoint(tmp_path / "old.pth")


def other_numpy(path):
    """Rewrite a file as the other major version of NumPy would have written it."""
    new, old = b"numpy._core", b"numpy.core"
    if not hasattr(np, "_core"):
        new, old = old, new
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    target = path.with_name("other.pth")
    with zipfile.ZipFile(target, "w") as file:
        for name, data in parts.items():
            assert not name.endswith("data.pkl") or new in data
            file.writestr(name, data.replace(new, old))
    return target


SCALARS = "bool i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 longdouble c8 c16 clongdouble".split()


def test_all_plain_dtypes_of_either_numpy(tmp_path):
    values = {name: np.dtype(name).type(1) for name in SCALARS}
    values |= {f"array {name}": np.arange(6).reshape(2, 3).astype(name) for name in SCALARS}
    values |= dict(
        text=np.str_("é1"),
        no_text=np.str_(""),
        texts=np.array(["a", "bcd"]),
        raw=np.array([b"a", b"bcd"]),
        big_endian=np.arange(3, dtype=">i4"),
        fortran=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        empty=np.zeros((0, 3), np.float32),
        scalar_array=np.array(3),
        day=np.datetime64("2026-01-02"),
        hours=np.array([1, 2], "m8[3h]"),
        dtype=np.dtype("f4"),
    )
    torch.save(dict(values, pair=(values["texts"], [values["raw"]])), tmp_path / "a.pth")
    for path in (tmp_path / "a.pth", other_numpy(tmp_path / "a.pth")):
        loaded = load_checkpoint(path)
        for name, value in values.items():
            assert type(loaded[name]) is type(value), name
            if isinstance(value, (np.ndarray, np.generic)):
                assert loaded[name].dtype == value.dtype, name
                assert np.array_equal(loaded[name], value), name
        assert loaded["fortran"].flags.f_contiguous and loaded["texts"].flags.writeable
        assert loaded["pair"][0] is loaded["texts"], "one array stays one"
        assert loaded["pair"][1][0].tolist() == [b"a", b"bcd"]


def test_checkpoints_of_mmengine_load_and_resume(tmp_path):
    # They hold the log's history as objects, and NumPy numbers.
    run_toy(toy_config(tmp_path / "run", max_iters=2))
    path = tmp_path / "run" / "iter_2.pth"
    for file in (path, other_numpy(path)):
        content = load_checkpoint(file, map_location="cpu")
        assert content["meta"]["iter"] == 2
        history = content["message_hub"]["log_scalars"]["train/loss"]
        assert type(history) is HistoryBuffer
        assert history.data[0].size == 2 and history.statistics("mean") == history.data[0].mean()
    other = toy_config(tmp_path / "on", max_iters=4, resume=True)
    resumed = run_toy(dict(other, load_from=str(tmp_path / "run" / "other.pth")))
    assert len(resumed.message_hub.get_scalar("train/loss").data[0]) == 4


def test_a_config_in_the_meta_is_not_run_on_resume(tmp_path):
    # mmengine's Runner.resume executes meta['config'] as Python.
    run_toy(toy_config(tmp_path / "run", max_iters=2))
    path = tmp_path / "run" / "iter_2.pth"
    content = torch.load(path, weights_only=False)
    del content["meta"]["cfg"]
    content["meta"]["config"] = f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n"
    torch.save(content, path)
    assert run_toy(toy_config(tmp_path / "run", max_iters=4, resume=True)).iter == 4
    assert not (tmp_path / "ran").exists()
    assert load_checkpoint(path)["meta"]["cfg"].startswith("import os")


def test_missing_file_names_its_neighbours(tmp_path):
    torch.save({}, tmp_path / "iter_100.pth")
    with pytest.raises(FileNotFoundError, match=r"key: there is no checkpoint .*has iter_100.pth"):
        load_checkpoint(tmp_path / "iter_10.pth", key="key")


def test_every_kind_of_broken_file(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(dict(a=torch.rand(3000)), path)
    whole = path.read_bytes()
    for content in (b"", whole[:3000], whole[:-1], b"<html>", whole[:500] + whole[600:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is truncated or no PyTorch checkpoint"):
            load_checkpoint(path)
