"""Bytes as an HTTP answer, against plain slices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.server.answer import answer, tag_of

BODY = bytes(range(100))
TAG = tag_of(BODY)


def ask(**headers: str) -> tuple[int, bytes, dict[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = answer(BODY, TAG, "a/b", named)
    assert found.headers["ETag"] == TAG
    if found.status != 304:
        assert found.headers["Content-Length"] == str(len(found.body))
        assert found.headers["Content-Type"] == "a/b"
    return found.status, bytes(found.body), found.headers


@given(st.integers(0, 120), st.integers(0, 120))
def test_a_range_is_a_slice(first: int, last: int) -> None:
    status, body, headers = ask(range=f"bytes={first}-{last}")
    if last < first:
        assert (status, body) == (200, BODY)
    elif first >= len(BODY):
        assert (status, body, headers["Content-Range"]) == (416, b"", "bytes */100")
    else:
        assert (status, body) == (206, BODY[first : last + 1])
        assert headers["Content-Range"] == f"bytes {first}-{min(last, 99)}/100"


@given(st.integers(0, 120))
def test_open_ends(count: int) -> None:
    status, body, _ = ask(range=f"bytes={count}-")
    assert (status, body) == ((206, BODY[count:]) if count < 100 else (416, b""))
    status, body, _ = ask(range=f"bytes=-{count}")
    assert (status, body) == ((206, BODY[-count:]) if count else (416, b""))


@pytest.mark.parametrize(
    "text",
    [
        "bytes=1-2,4-5",
        "bytes=a-b",
        "bytes=-",
        "lines=1-2",
        "bytes",
        "bytes=--1",
        "=",
        "bytes=1-2-3",
    ],
)
def test_what_is_no_single_range_is_none(text: str) -> None:
    assert ask(range=text)[:2] == (200, BODY)


@given(st.text())
def test_any_header_gives_an_answer(text: str) -> None:
    status, body, _ = ask(range=text, if_none_match=text, if_range=text)
    assert status in (200, 206, 304, 416)
    assert body in BODY


def test_who_has_it_already_is_told_so() -> None:
    for condition in (TAG, f"W/{TAG}", f'"other", {TAG}', "*"):
        assert ask(if_none_match=condition, range="bytes=0-1")[:2] == (304, b"")
    assert ask(if_none_match='"other"')[0] == 200


def test_a_range_of_something_else_is_the_whole() -> None:
    assert ask(range="bytes=0-1", if_range=TAG)[:2] == (206, BODY[:2])
    assert ask(range="bytes=0-1", if_range='"other"')[:2] == (200, BODY)


def test_other_bytes_have_another_tag() -> None:
    assert tag_of(b"a") != tag_of(b"b")
    assert tag_of(b"a") == tag_of(memoryview(b"a"))
