"""The hash is SplitMix64, whose numbers are published, in numpy and compiled."""

import numpy as np

from opsin.images.synthetic.hash import chained
from opsin.images.synthetic.kernel import kernel

SPLITMIX64_OF_SEED_0 = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)


def test_one_number_gives_what_splitmix64_gives() -> None:
    words = chained(np.zeros(3, np.uint64), np.arange(3, dtype=np.uint64))
    assert words.tolist() == list(SPLITMIX64_OF_SEED_0)


def test_the_order_of_numbers_matters_and_negative_ones_are_fine() -> None:
    words = np.array([3, -7 % 2**64], np.uint64)
    zero = np.zeros(2, np.uint64)
    there = chained(chained(zero, words), words[::-1])
    assert len(set(there.tolist())) == 2


def test_a_compiled_one_agrees() -> None:
    compiled = kernel(chained)
    for number in (0, 1, 2**63 + 5):
        (expected,) = chained(np.full(1, 42, np.uint64), np.full(1, number, np.uint64)).tolist()
        assert int(compiled(np.uint64(42), np.uint64(number))) == expected  # type: ignore[arg-type]


def test_bits_are_fair() -> None:
    words = chained(np.zeros(20000, np.uint64), np.arange(20000, dtype=np.uint64))
    bits = words[:, np.newaxis] >> np.arange(64, dtype=np.uint64) & np.uint64(1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.02
    assert len(np.unique(words)) == 20000
