"""The object cache: hits, damage, limits, broken file systems, settings, and compilation through it."""

from __future__ import annotations

import errno
import os
import threading
import warnings
from pathlib import Path
from typing import Self

import pytest

from tondo.diagnostics import TondoError
from tondo_llvm.cache import CacheWarning, ObjectCache, compile_cached, default_cache, object_key
from tondo_llvm.cache import store as store_module
from tondo_llvm.toolchain import MachineSpec, Optimization, Source, compile_many

_MACHINE = MachineSpec("x86_64-unknown-linux-gnu", "", ("+avx2",))


def _key(text: str) -> str:
    return object_key("k", text, _MACHINE, Optimization())


def _square(name: str) -> Source:
    return Source(name, f"define i64 @{name}(i64 %x) {{\n  %y = mul i64 %x, %x\n  ret i64 %y\n}}\n")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 1000])
def test_what_is_stored_is_found_by_another_instance(tmp_path: Path, data: bytes) -> None:
    ObjectCache(tmp_path / "new" / "folder").put(_key("a"), data)
    cache = ObjectCache(tmp_path / "new" / "folder")
    assert cache.get(_key("a")) == data
    assert cache.get(_key("b")) is None


def test_everything_that_decides_the_code_is_in_the_key() -> None:
    other = MachineSpec("x86_64-unknown-linux-gnu", "znver4", ("+avx2",))
    more = MachineSpec("x86_64-unknown-linux-gnu", "", ("+avx2", "+fma"))
    keys = [
        object_key("k", "a", _MACHINE, Optimization()),
        object_key("l", "a", _MACHINE, Optimization()),
        object_key("k", "b", _MACHINE, Optimization()),
        object_key("k", "a", other, Optimization()),
        object_key("k", "a", more, Optimization()),
        object_key("k", "a", _MACHINE, Optimization(2)),
        object_key("k", "a", _MACHINE, Optimization(vectorize=True)),
        object_key("k", "a", _MACHINE, Optimization(unroll=False)),
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == object_key("k", "a", _MACHINE, Optimization())


@pytest.mark.parametrize("cut", [0, 5, 20, 45, -1])
def test_a_truncated_entry_is_a_miss_and_is_removed(tmp_path: Path, cut: int) -> None:
    cache = ObjectCache(tmp_path)
    cache.put(_key("a"), b"some object code")
    (path,) = _files(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    assert cache.get(_key("a")) is None
    assert _files(tmp_path) == []


def test_any_changed_byte_is_noticed(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.put(_key("a"), b"some object code")
    (path,) = _files(tmp_path)
    good = path.read_bytes()
    for index in range(len(good)):
        bad = bytearray(good)
        bad[index] ^= 1
        path.write_bytes(bytes(bad))
        assert cache.get(_key("a")) is None
    path.write_bytes(good)
    assert cache.get(_key("a")) == b"some object code"


def test_an_entry_under_another_name_is_a_miss(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.put(_key("a"), b"code of a")
    cache.put(_key("b"), b"code of b")
    first, second = _files(tmp_path)
    second.write_bytes(first.read_bytes())
    answers = {cache.get(_key("a")), cache.get(_key("b"))}
    assert None in answers
    assert len(answers & {b"code of a", b"code of b"}) == 1


def test_least_recently_used_entries_go_first(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, limit_bytes=10_500)
    keys = [_key(str(index)) for index in range(11)]
    for age, key in enumerate(keys[:10]):
        cache.put(key, bytes(950))
        path = tmp_path / key[:2] / f"{key[2:]}.obj"
        os.utime(path, (1000 + age, 1000 + age))
    assert cache.get(keys[0]) is not None  # now the youngest
    cache.put(keys[10], bytes(950))
    assert cache.size() <= 10_500
    assert cache.get(keys[0]) is not None
    assert cache.get(keys[10]) is not None
    assert cache.get(keys[1]) is None
    assert cache.get(keys[9]) is not None


def test_the_limit_holds_over_many_writes_and_instances(tmp_path: Path) -> None:
    for round_number in range(3):
        cache = ObjectCache(tmp_path, limit_bytes=20_000)
        for index in range(40):
            cache.put(_key(f"{round_number}.{index}"), bytes(1_000))
            assert cache.size() <= 20_000
    ObjectCache(tmp_path, limit_bytes=20_000).put(_key("huge"), bytes(30_000))
    assert ObjectCache(tmp_path).get(_key("huge")) is None


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    old, young = tmp_path / "ab" / ".new-old", tmp_path / "ab" / ".new-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    ObjectCache(tmp_path).put(_key("a"), b"1")
    assert not old.exists()
    assert young.exists()


def test_clear(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.put(_key("a"), b"1")
    cache.clear()
    assert cache.size() == 0
    assert cache.get(_key("a")) is None


def test_threads_and_instances_share_a_folder(tmp_path: Path) -> None:
    wrong: list[str] = []

    def work(seed: int) -> None:
        cache = ObjectCache(tmp_path, limit_bytes=40_000)
        for index in range(150):
            text = str((seed * 7 + index) % 30)
            data = text.encode() * 700
            cache.put(_key(text), data)
            if cache.get(_key(text)) not in {None, data}:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert all(path.suffix == ".obj" for path in _files(tmp_path))


def test_a_full_disk_warns_once_and_leaves_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ObjectCache(tmp_path)
    cache.put(_key("a"), b"1")

    def full(_file: object, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full:
        def __init__(self, handle: int) -> None:
            self.handle = handle

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self.handle)

        write = full

    monkeypatch.setattr(store_module.os, "fdopen", lambda handle, _mode: Full(handle))
    with pytest.warns(CacheWarning, match="No space left"):
        cache.put(_key("b"), b"2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put(_key("c"), b"3")
        assert cache.get(_key("a")) == b"1"
    assert len(_files(tmp_path)) == 1


def test_a_place_that_cannot_be_a_folder_warns_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = ObjectCache(tmp_path / "file" / "cache")
    with pytest.warns(CacheWarning, match="object cache off"):
        cache.put(_key("a"), b"1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put(_key("a"), b"1")
        assert cache.get(_key("a")) is None


def test_settings(tmp_path: Path) -> None:
    assert default_cache({"TONDO_CACHE": "off", "TONDO_CACHE_DIR": str(tmp_path)}) is None
    assert default_cache({"TONDO_CACHE": " OFF "}) is None
    own = default_cache({"TONDO_CACHE_DIR": str(tmp_path / "own")})
    assert own is not None
    assert own.folder == tmp_path / "own" / "objects"
    assert own.limit_bytes == 1 << 30


@pytest.mark.skipif(os.name != "posix", reason="places of POSIX systems")
def test_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    xdg = default_cache({"XDG_CACHE_HOME": str(tmp_path), "HOME": "/nowhere"})
    assert xdg is not None
    assert xdg.folder == tmp_path / "tondo" / "objects"
    home = default_cache({"HOME": str(tmp_path), "XDG_CACHE_HOME": "relative"})
    assert home is not None
    assert home.folder == tmp_path / ".cache" / "tondo" / "objects"


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_a_folder_for_everyone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    with pytest.warns(CacheWarning, match="every user"):
        assert default_cache({"TONDO_CACHE_DIR": str(tmp_path / "shared")}) is None


def test_compilation_through_the_cache(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    items = [_square("a"), _square("b"), _square("a")]
    compiled: list[str] = []

    def progress(_done: int, _total: int, name: str) -> None:
        compiled.append(name)

    first = compile_cached(items, _MACHINE, cache=cache, progress=progress)
    assert sorted(compiled) == ["a", "b"]
    assert first == compile_many(items, _MACHINE)
    assert compile_cached(items, _MACHINE, cache=ObjectCache(tmp_path), progress=progress) == first
    assert sorted(compiled) == ["a", "b"]
    compile_cached(items, _MACHINE, Optimization(1), cache=cache, progress=progress)
    assert len(compiled) == 4
    assert compile_cached(items, _MACHINE, cache=None) == first


def test_a_refused_module_stores_nothing(tmp_path: Path) -> None:
    with pytest.raises(TondoError):
        compile_cached([_square("a"), Source("bad", "nonsense")], _MACHINE, cache=ObjectCache(tmp_path))
    assert _files(tmp_path) == []
