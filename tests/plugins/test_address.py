from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.errors import UsageError
from opsin.plugins.address import OperationAddress


@pytest.mark.parametrize(
    ("text", "source", "operation"),
    [
        ("nuclei.py", "nuclei.py", None),
        ("nuclei.py:nuclei", "nuclei.py", "nuclei"),
        ("a/b c/nuclei.py:größe", "a/b c/nuclei.py", "größe"),
        (r"C:\plugins\nuclei.py", r"C:\plugins\nuclei.py", None),
        (r"C:\plugins\nuclei.py:nuclei", r"C:\plugins\nuclei.py", "nuclei"),
        ("http://127.0.0.1:80/nuclei.py", "http://127.0.0.1:80/nuclei.py", None),
        ("http://127.0.0.1:80/nuclei.py:nuclei", "http://127.0.0.1:80/nuclei.py", "nuclei"),
        ("odd:name.py:nuclei", "odd:name.py", "nuclei"),
    ],
)
def test_addresses(text: str, source: str, operation: str | None) -> None:
    address = OperationAddress.parse(text)
    assert address == OperationAddress(source, operation)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no plugin"),
        (":nuclei", "names no plugin"),
        ("nuclei.py:", "ends with a colon"),
        ("nuclei.py:my nuclei", "'my nuclei' cannot be an operation"),
    ],
)
def test_what_is_no_address(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        OperationAddress.parse(text)


@given(st.text(max_size=30) | st.text(":/\\.pyC", max_size=10))
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = OperationAddress.parse(text)
    except UsageError:
        return
    assert str(address) == text
