from mmasg.datasets.doctor.comparison import compare_shares


def test_factor_of_twenty():
    source = dict(road=1000, car=100, bus=0, sky=0)
    assert compare_shares(source, dict(road=1000, car=51, bus=0, sky=0)) == []
    (text,) = compare_shares(source, dict(road=100_000, car=100, bus=0, sky=0))
    # car: 100 of 1100 against 100 of 100,100
    assert text == "1 classes differ from train by a factor of 20: car (91 times less here)"
    (text,) = compare_shares(dict(road=999, car=1), dict(road=900, car=100))
    assert "car (100 times more here)" in text


def test_empty_on_one_side_and_other_classes():
    texts = compare_shares(dict(road=9, bus=0, car=1), dict(road=9, bus=2, tram=3), "train")
    assert texts == [
        "classes that only one of train and this has: tram, car",
        "1 classes do not occur in train, but here: bus",
    ]
    assert compare_shares({}, dict(road=1)) == compare_shares(dict(road=0), dict(road=1)) == []
