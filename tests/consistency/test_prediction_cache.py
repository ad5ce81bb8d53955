"""The shards on disk: what is found again, and what happens to torn files."""

import numpy as np
import pytest

from mmasg.consistency import prediction_cache
from mmasg.consistency.prediction_cache import PredictionCache


def keys_of(*numbers):
    return [bytes([number]) * 16 for number in numbers]


def rows_of(count, width=5):
    return np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)


def test_found_again_by_another_process_in_float16(tmp_path):
    rows = rows_of(3)
    writer = PredictionCache(tmp_path / "new" / "folder", 5, rows_per_shard=2)
    writer.store(keys_of(1, 2), rows[:2])
    writer.store(keys_of(3, 1), rows[[2, 2]])  # 1 is known: keeps what it has
    writer.flush()
    assert len(list(writer.folder.iterdir())) == 2  # shards of 2 and 1, nothing temporary
    reader = PredictionCache(writer.folder, 5)
    found = reader.lookup(keys_of(3, 1, 9))
    np.testing.assert_array_equal(found[0], rows[2].astype(np.float16))
    np.testing.assert_array_equal(found[1], rows[0].astype(np.float16))
    assert found[2] is None and len(reader) == 3


def test_two_writers_share_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_cache, "_REFRESH", 0.0)
    a, b = (PredictionCache(tmp_path, 5, rows_per_shard=1) for _ in range(2))
    a.store(keys_of(1), rows_of(1))
    assert b.lookup(keys_of(1))[0] is not None  # looked again, as it did not know it
    monkeypatch.setattr(prediction_cache, "_REFRESH", 1e9)
    a.store(keys_of(2), rows_of(1))
    assert b.lookup(keys_of(2)) == [None]  # too soon to look again


@pytest.mark.parametrize("damage", ["short", "flipped", "header", "empty", "foreign"])
def test_torn_shard_is_removed_and_missing(tmp_path, damage):
    writer = PredictionCache(tmp_path, 5)
    writer.store(keys_of(1, 2), rows_of(2))
    writer.flush()
    good = next(tmp_path.iterdir())
    writer.store(keys_of(3), rows_of(1))
    writer.flush()
    data = bytearray(good.read_bytes())
    if damage == "flipped":
        data[-1] ^= 1
    good.write_bytes(
        dict(
            short=data[:-3],
            flipped=data,
            header=data[:20],
            empty=b"",
            foreign=b"something else altogether",
        )[damage]
    )
    reader = PredictionCache(tmp_path, 5)
    first, second, third = reader.lookup(keys_of(1, 2, 3))
    assert first is None and second is None and third is not None
    assert not good.exists()
    reader.store(keys_of(1, 2), rows_of(2))
    reader.flush()
    assert len(PredictionCache(tmp_path, 5)) == 3


def test_what_cannot_be_kept(tmp_path):
    cache = PredictionCache(tmp_path, 5)
    with pytest.raises(ValueError, match=r"rows of shape \(1, 5\), got rows of shape \(1, 4\)"):
        cache.store(keys_of(1), rows_of(1, 4))
    with pytest.raises(ValueError, match="cannot be kept in float16"):
        cache.store(keys_of(1), rows_of(1) + 1e6)
    with pytest.raises(ValueError, match="rows_per_shard must be at least 1, got 0"):
        PredictionCache(tmp_path, 5, rows_per_shard=0)
