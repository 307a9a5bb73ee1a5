from __future__ import annotations

import enum
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.errors import UsageError
from opsin.plugins.manifest import Operation, Parameter, ParameterType
from opsin.plugins.parameters import complete, converted, from_text, from_words


class Edge(enum.Enum):
    MIRROR = "mirror"
    NOTHING = ("nothing",)


SIGMA = Parameter(name="sigma", type="number", title="Sigma", default=2.0, minimum=0, maximum=10)
SIZE = Parameter(name="size", type="integer", title="Size", default=3, multiple_of=3)
SHARE = Parameter(
    name="share", type="number", title="Share", exclusive_minimum=0, exclusive_maximum=1
)
TIDY = Parameter(name="tidy", type="boolean", title="Tidy", default=False)
NOTE = Parameter(name="note", type="string", title="Note", default=None, nullable=True)
PLACE = Parameter(name="place", type="string", title="Place", format="path", default=".")
METHOD = Parameter(
    name="method", type="string", title="Method", enum=("otsu", "li"), default="otsu"
)
TIMES = Parameter(name="times", type="integer", title="Times", enum=(1, 2), default=1)
EDGE = Parameter(
    name="edge", type="string", title="Edge", enum=("MIRROR", "NOTHING"), enum_class="Edge",
    enum_values=("mirror", None), default="MIRROR",
)  # fmt: skip
SURE = Parameter(name="sure", type="boolean", title="Sure", enum=(True,), default=True)
ALL = (SIGMA, SIZE, SHARE, TIDY, NOTE, PLACE, METHOD, TIMES, EDGE, SURE)
OPERATION = Operation(name="nuclei", title="Nuclei", parameters=ALL)


@pytest.mark.parametrize(
    ("parameter", "value", "result"),
    [
        (SIGMA, 2, 2.0),
        (SIGMA, np.float32(0.5), 0.5),
        (SIGMA, np.int64(3), 3.0),
        (SIGMA, np.array(3), 3.0),
        (SIZE, 6.0, 6),
        (TIDY, np.True_, True),
        (NOTE, None, None),
        (NOTE, "none", "none"),
        (PLACE, Path("a") / "b", str(Path("a") / "b")),
        (METHOD, "li", "li"),
        (TIMES, 2.0, 2),
        (EDGE, Edge.NOTHING, "NOTHING"),
        (EDGE, "MIRROR", "MIRROR"),
        (EDGE, "mirror", "MIRROR"),
    ],
)
def test_values_from_python_and_json(parameter: Parameter, value: Any, result: Any) -> None:
    found = converted(parameter, value)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        (SIGMA, "abc", "sigma: 'abc' is not a number."),
        (SIGMA, "2", "sigma: '2' is not a number."),
        (SIGMA, True, "sigma: True is not a number."),
        (SIGMA, None, "sigma must not be empty."),
        (SIGMA, float("nan"), "sigma: nan is not a finite number."),
        (SIGMA, -0.5, "sigma: -0.5 is less than 0."),
        (SIGMA, 10.5, "sigma: 10.5 is more than 10."),
        (SIGMA, [2], "sigma: [2] is not a number."),
        (SIZE, 2.5, "size: 2.5 is not a whole number."),
        (SIZE, 4, "size: 4 is not a multiple of 3."),
        (SIZE, 2**60, "size: 1152921504606846976 is beyond ±2⁵³."),
        (SHARE, 0, "share: 0 is not more than 0."),
        (SHARE, 1.0, "share: 1 is not less than 1."),
        (TIDY, 1, "tidy: 1 is not true or false."),
        (TIDY, "yes", "tidy: 'yes' is not true or false."),
        (NOTE, 3, "note: 3 is not text."),
        (PLACE, "a\0b", "place: a path has no zero bytes."),
        (METHOD, "Otsu", "method: 'Otsu' is none of otsu, li."),
        (TIMES, True, "times: True is none of 1, 2."),
        (EDGE, None, "edge must not be empty."),
    ],
)
def test_values_that_do_not_fit(parameter: Parameter, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        converted(parameter, value)
    assert str(caught.value).startswith(message)


def test_a_number_too_large_to_be_printed_is_refused() -> None:
    with pytest.raises(UsageError, match="sigma: a huge number is not a finite number"):
        converted(SIGMA, 10**9999)
    with pytest.raises(UsageError, match=r"sigma: 10{50,}… is not a finite number"):
        converted(SIGMA, 10**400)


@pytest.mark.parametrize(
    ("parameter", "text", "result"),
    [
        (SIGMA, "2", 2.0),
        (SIGMA, " 1e0 ", 1.0),
        (SIZE, "6", 6),
        (SIZE, "-3", -3),
        (SIZE, "6.0", 6),
        (TIDY, "Yes", True),
        (TIDY, "0", False),
        (NOTE, "none", None),
        (NOTE, " two words=x", " two words=x"),
        (NOTE, "", ""),
        (PLACE, "out dir", "out dir"),
        (METHOD, "li", "li"),
        (TIMES, "2", 2),
        (SURE, "yes", True),
        (EDGE, "NOTHING", "NOTHING"),
        (EDGE, "mirror", "MIRROR"),
    ],
)
def test_values_that_somebody_typed(parameter: Parameter, text: str, result: Any) -> None:
    found = from_text(parameter, text)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("parameter", "text", "message"),
    [
        (SIGMA, "abc", "sigma: 'abc' is not a number."),
        (SIGMA, "inf", "sigma: inf is not a finite number."),
        (SIGMA, "", "sigma: '' is not a number."),
        (SIZE, "six", "size: 'six' is not a whole number."),
        (SIZE, "9" * 5000, "size: '"),
        (TIDY, "perhaps", "tidy: 'perhaps' is not yes or no."),
        (EDGE, "None", "edge: 'None' is none of MIRROR, NOTHING."),
    ],
)
def test_texts_that_do_not_fit(parameter: Parameter, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_text(parameter, text)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 120


def test_values_of_a_run_are_complete() -> None:
    assert complete(OPERATION, {"share": 0.5, "sigma": 3}) == {
        "sigma": 3.0, "size": 3, "share": 0.5, "tidy": False, "note": None, "place": ".",
        "method": "otsu", "times": 1, "edge": "MIRROR", "sure": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "nuclei needs a value for share, which has no default."),
        ({"share": 0.5, "sgima": 2}, "nuclei has no parameter 'sgima': it has sigma, size, "),
    ],
)
def test_what_is_missing_and_what_is_unknown(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        complete(OPERATION, values)
    assert str(caught.value).startswith(message)


def test_words_of_a_command_line() -> None:
    assert from_words(OPERATION, ["sigma=3", "note=a=b", " tidy =on"]) == {
        "sigma": 3.0, "note": "a=b", "tidy": True,
    }  # fmt: skip
    for words, message in {
        ("sigma",): "'sigma' is no parameter: write name=value, as in sigma=2.",
        ("sigma=1", "sigma=2"): "sigma is given twice: give it once.",
        ("=1",): "nuclei has no parameter '': it has sigma",
    }.items():
        with pytest.raises(UsageError) as caught:
            from_words(OPERATION, words)
        assert str(caught.value).startswith(message)
    none = Operation(name="noise", title="Noise")
    with pytest.raises(UsageError, match="noise has no parameter 'sigma': it has none"):
        from_words(none, ["sigma=1"])


ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary()
    | st.lists(st.integers(), max_size=2) | st.sampled_from(list(Edge))
)  # fmt: skip
PARAMETERS = st.sampled_from(ALL) | st.builds(
    Parameter,
    name=st.just("x"),
    title=st.just("X"),
    type=st.sampled_from(["number", "integer", "boolean", "string"]),
    nullable=st.booleans(),
    minimum=st.none() | st.floats(allow_nan=False),
    multiple_of=st.none() | st.floats(min_value=5e-324, allow_infinity=False),
    enum=st.just(()) | st.tuples(st.text(max_size=2), st.integers()),
)


@given(PARAMETERS, ANYTHING, st.text(max_size=8))
def test_any_value_is_converted_for_good_or_refused(
    parameter: Parameter, value: Any, text: str
) -> None:
    for convert, given_value in ((converted, value), (from_text, text)):
        with suppress(UsageError):
            result = convert(parameter, given_value)
            assert converted(parameter, result) == result
            assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize("kind", ["number", "integer", "boolean", "string"])
def test_every_type_takes_its_own_json(kind: ParameterType) -> None:
    own = {"number": 1.5, "integer": 2, "boolean": True, "string": "x"}
    parameter = Parameter(name="x", title="X", type=kind)
    assert converted(parameter, own[kind]) == own[kind]
    for other, value in own.items():
        if other not in (kind, "integer"):
            with pytest.raises(UsageError):
                converted(parameter, value)
