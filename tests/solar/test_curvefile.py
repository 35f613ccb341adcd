import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segtile.errors import BadInput, ReadError
from segtile.solar import CURVES, IDENTITY, Curve, decode_acv, encode_acv, read_acv, zigzag

points = st.lists(
    st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=2, max_size=19, unique_by=lambda p: p[0]
).map(lambda pairs: tuple(sorted(pairs)))
curves = st.lists(points.map(lambda p: Curve("c", p)), min_size=2, max_size=6).map(tuple)


def test_the_bytes_are_those_of_the_published_format():
    data = encode_acv((CURVES["solar6"],))
    version, count = struct.unpack(">hh", data[:4])
    assert (version, count) == (4, 4)
    (number,) = struct.unpack(">h", data[4:6])
    assert number == 8
    pairs = [struct.unpack(">hh", data[6 + 4 * k : 10 + 4 * k]) for k in range(8)]
    assert [x for _, x in pairs] == [0, 36, 72, 109, 145, 181, 218, 255], "the input comes second"
    assert [y for y, _ in pairs] == [0, 255, 0, 255, 0, 255, 0, 255], "the output comes first"
    identity = bytes.fromhex("0002 0000 0000 00ff 00ff")
    assert data[38:] == 3 * identity


@given(curves, st.sampled_from([1, 4]))
def test_round_trip(given_curves, version):
    data = encode_acv(given_curves, version)
    assert struct.unpack(">h", data[:2]) == (version,)
    assert [c.points for c in decode_acv(data)] == [c.points for c in given_curves]
    assert encode_acv(decode_acv(data), version) == data


@given(curves, st.binary(max_size=40))
def test_what_photoshop_adds_at_the_end_is_passed_over(given_curves, tail):
    assert [c.points for c in decode_acv(encode_acv(given_curves) + tail)] == [c.points for c in given_curves]


@given(st.binary(max_size=120))
def test_any_bytes_are_curves_or_a_sentence(data):
    sentence = ""
    try:
        assert all(isinstance(c, Curve) for c in decode_acv(data, "x.acv"))
    except ReadError as error:
        sentence = str(error)
    assert sentence == "" or sentence.startswith("x.acv: ")


@given(curves, st.data())
def test_a_file_cut_short_is_refused(given_curves, data):
    whole = encode_acv(given_curves)
    with pytest.raises(ReadError):
        decode_acv(whole[: data.draw(st.integers(0, len(whole) - 1))])


def packed(version=4, count=1, pairs=((0, 0), (255, 255)), number=None):
    flat = [value for pair in pairs for value in pair]
    return struct.pack(f">hhh{len(flat)}h", version, count, len(pairs) if number is None else number, *flat)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (packed(version=3), "version 3"),
        (packed(count=0), "0 curves"),
        (packed(count=-5), "-5 curves"),
        (packed(number=1), "1 points"),
        (packed(number=20), "20 points"),
        (packed(pairs=((0, 0), (256, 255))), "0..255"),
        (packed(pairs=((-1, 0), (255, 255))), "0..255"),
        (packed(pairs=((0, 9), (255, 9))), "rise strictly"),
        (b"", "header"),
    ],
)
def test_refused_files(data, text):
    with pytest.raises(ReadError, match=text):
        decode_acv(data)


def test_refused_curves():
    with pytest.raises(BadInput, match="fewer folds"):
        encode_acv((zigzag(18),))
    with pytest.raises(BadInput, match="one input"):
        encode_acv((Curve("close", ((0, 0), (10.1, 3), (10.2, 9), (255, 255))),))
    with pytest.raises(BadInput, match="version"):
        encode_acv((IDENTITY,), version=2)
    with pytest.raises(BadInput, match="curves"):
        encode_acv(())


def test_files_that_are_none(tmp_path):
    with pytest.raises(ReadError, match="cannot be read"):
        read_acv(tmp_path / "missing.acv")
    with pytest.raises(ReadError, match="cannot be read"):
        read_acv(tmp_path)
    large = tmp_path / "large.acv"
    large.write_bytes(bytes(2 << 20))
    with pytest.raises(ReadError, match="too large"):
        read_acv(large)
