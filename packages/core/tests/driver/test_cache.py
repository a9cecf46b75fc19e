from __future__ import annotations

import os

import pytest

from tondo.diagnostics import TondoError
from tondo.driver.cache import ArtifactCache, cache_key
from tondo.driver.environment import DEFAULT_CACHE_BYTES, read_environment
from tondo.passes import CollectingReporter
from tondo_runtime import RuntimeFailure


def make(folder, max_bytes=1 << 20):
    reporter = CollectingReporter()
    return ArtifactCache(folder, max_bytes, reporter), reporter


def writer(size):
    return lambda path: path.write_bytes(b"x" * size)


def age(cache, key, seconds):
    path = cache.find(key)
    os.utime(path, (seconds, seconds))


def test_keys_follow_the_content_not_the_order():
    assert cache_key({"a": 1, "b": [2]}) == cache_key({"b": [2], "a": 1})
    assert cache_key({"a": 1}) != cache_key({"a": "1"})
    assert len(cache_key({})) == 64


def test_what_is_stored_is_found(tmp_path):
    cache, reporter = make(tmp_path / "cache")
    assert cache.find("key") is None
    cache.store("key", writer(3))
    assert cache.find("key").read_bytes() == b"xxx"
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    assert reporter.diagnostics == []


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    cache, _ = make(tmp_path, max_bytes=250)
    for number, key in enumerate("abc"):
        cache.store(key, writer(100))
        age(cache, key, 1000 + number)
    assert cache.find("a") is None  # dropped when c came
    age(cache, "b", 3000)  # used after c
    cache.store("d", writer(100))
    assert [key for key in "abcd" if cache.find(key)] == ["b", "d"]


def test_finding_an_entry_is_a_use(tmp_path):
    cache, _ = make(tmp_path, max_bytes=250)
    for number, key in enumerate("ab"):
        cache.store(key, writer(100))
        age(cache, key, 1000 + number)
    cache.find("a")
    cache.store("c", writer(100))
    assert [key for key in "abc" if cache.find(key)] == ["a", "c"]


def test_an_entry_larger_than_the_cache_drops_the_others_only(tmp_path):
    cache, _ = make(tmp_path, max_bytes=250)
    cache.store("a", writer(100))
    cache.store("b", writer(1000))
    assert [key for key in "ab" if cache.find(key)] == ["b"]


def test_object_code_counts_and_old_temporary_files_go(tmp_path):
    cache, _ = make(tmp_path, max_bytes=250)
    objects = cache.objects()
    (objects / "old.o").write_bytes(b"x" * 200)
    os.utime(objects / "old.o", (10, 10))
    (objects / "left.tmp").write_bytes(b"x")
    os.utime(objects / "left.tmp", (10, 10))
    (objects / "now.tmp").write_bytes(b"x")
    cache.store("a", writer(100))
    assert sorted(path.name for path in objects.iterdir()) == ["now.tmp"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeFailure("TND-U005", "cannot write")])
def test_a_full_disk_is_a_warning(tmp_path, error):
    def write(path):
        raise error

    cache, reporter = make(tmp_path)
    cache.store("key", write)
    (warning,) = reporter.diagnostics
    assert (warning.code, warning.severity) == ("TND-U008", "warning")
    assert "TONDO_CACHE" in warning.help


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    cache, reporter = make(tmp_path / "file" / "cache")
    assert cache.find("key") is None
    assert cache.objects() is None
    cache.store("key", writer(1))
    assert len(reporter.diagnostics) == 1


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    cache, reporter = make(folder)
    cache.store("key", writer(1))
    folder.chmod(0o777)
    assert cache.find("key") is None
    assert cache.objects() is None
    cache.store("other", writer(1))
    assert "others may write" in reporter.diagnostics[0].notes[0]
    assert not (folder / "artifacts" / "other.tondo").exists()


def test_a_damaged_entry_is_dropped_with_a_warning(tmp_path):
    cache, reporter = make(tmp_path)
    cache.store("key", writer(1))
    cache.drop("key", "it is cut off")
    assert cache.find("key") is None
    assert reporter.diagnostics[0].notes == ("it is cut off",)


@pytest.mark.parametrize(
    ("variables", "folder", "size"),
    [
        ({"HOME": "/h"}, "/h/.cache/tondo", DEFAULT_CACHE_BYTES),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/tondo", DEFAULT_CACHE_BYTES),
        ({"HOME": "/h", "TONDO_CACHE_DIR": "/c", "TONDO_CACHE_SIZE": "512M"}, "/c", 512 << 20),
        ({"HOME": "/h", "TONDO_CACHE_SIZE": "2 G".replace(" ", "")}, "/h/.cache/tondo", 2 << 30),
        ({"HOME": "/h", "TONDO_CACHE": "off"}, "None", DEFAULT_CACHE_BYTES),
        ({}, "None", DEFAULT_CACHE_BYTES),
    ],
)
def test_the_environment_places_the_cache(variables, folder, size):
    environment = read_environment(variables)
    assert str(environment.cache_folder) == folder
    assert environment.cache_bytes == size


def test_the_environment_chooses_plugins():
    assert read_environment({"TONDO_PLUGINS": "-x86"}).plugins == "-x86"
    assert read_environment({}).plugins == ""


def test_a_size_that_is_none_is_refused():
    with pytest.raises(TondoError, match="TONDO_CACHE_SIZE"):
        read_environment({"TONDO_CACHE_SIZE": "much"})
