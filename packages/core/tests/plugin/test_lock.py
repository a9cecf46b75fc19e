"""Lock files: written, read, compared; every difference is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tondo.diagnostics import TondoError
from tondo.plugin import Extensions, Lock, LockedPlugin, PluginReport, check_lock, collect, lock_of, read_lock
from tondo.plugin.lock import differences

ONE = LockedPlugin("one", "p-one", "1.0", "sha256:aa")
TWO = LockedPlugin("two", "p-two", "2.0")
LOCK = Lock("0.1.0", (ONE, TWO))


def test_a_lock_comes_back_as_it_was(tmp_path) -> None:
    path = tmp_path / "tondo.lock"
    path.write_text(LOCK.text())
    assert read_lock(path) == LOCK
    assert json.loads(LOCK.text())["plugins"][0]["id"] == "one"


@pytest.mark.parametrize(
    ("changed", "clauses"),
    [
        (LOCK, []),
        (replace(LOCK, core="0.2.0"), ["tondo-core is 0.2.0 instead of 0.1.0"]),
        (replace(LOCK, plugins=(ONE,)), ["'two' (p-two 2.0) is not loaded"]),
        (
            replace(LOCK, plugins=(ONE, TWO, LockedPlugin("x", "p-x", "3"))),
            ["'x' (p-x 3) is not in the lock"],
        ),
        (replace(LOCK, plugins=(replace(ONE, version="1.1"), TWO)), ["'one' is p-one 1.1 instead of p-one 1.0"]),
        (replace(LOCK, plugins=(replace(ONE, digest="sha256:bb"), TWO)), ["'one' (p-one 1.0) has other files"]),
        (replace(LOCK, plugins=(replace(ONE, digest=None), TWO)), []),
        (replace(LOCK, plugins=(replace(ONE, distribution="evil"), TWO)), ["'one' is evil 1.0 instead of p-one 1.0"]),
    ],
)
def test_differences(changed: Lock, clauses: list[str]) -> None:
    assert differences(LOCK, changed) == clauses


def test_installed_plugins_are_locked_with_the_digest_of_their_files(site) -> None:
    site.install("p-one", {"one": ""})
    found = lock_of(collect())
    assert [(entry.id, entry.distribution, entry.version, entry.digest) for entry in found.plugins] == [
        ("one", "p-one", "1.0", None)
    ]
    info = site.root / "p_one-1.0.dist-info"
    (info / "RECORD").write_text("p_one_one.py,sha256=abc,10\np_one-1.0.dist-info/METADATA,sha256=d,9\n")
    digest = lock_of(collect()).plugins[0].digest
    assert digest is not None
    assert digest.startswith("sha256:")
    (info / "RECORD").write_text("p_one_one.py,sha256=abd,10\np_one-1.0.dist-info/METADATA,sha256=d,9\n")
    again = lock_of(collect())
    assert again.plugins[0].digest != digest
    with pytest.raises(TondoError, match=r"has other files") as error:
        check_lock(found_with(found, digest), collect(), "tondo.lock")
    assert error.value.code == "TND-P005"


def found_with(lock: Lock, digest: str) -> Lock:
    return replace(lock, plugins=(replace(lock.plugins[0], digest=digest),))


def test_broken_plugins_cannot_be_locked() -> None:
    from tondo.diagnostics import Diagnostic

    report = PluginReport("bad", "p-bad", "1", "failed", (Diagnostic("TND-P001", "no"),))
    with pytest.raises(TondoError) as error:
        lock_of(Extensions(plugins=(report,)))
    assert error.value.code == "TND-P001"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"tondo_lock": 2}', '{"tondo_lock": 1}', '{"tondo_lock": 1, "core": "1", "plugins": [3]}'],
)
def test_other_files_are_refused(tmp_path, text: str) -> None:
    path = tmp_path / "tondo.lock"
    path.write_text(text)
    with pytest.raises(TondoError) as error:
        read_lock(path)
    assert error.value.code == "TND-P005"


def test_a_missing_file_is_told(tmp_path) -> None:
    with pytest.raises(TondoError) as error:
        read_lock(tmp_path / "none.lock")
    assert error.value.code == "TND-U006"
