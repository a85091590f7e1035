"""Whatever is in a zip, only plain notebooks come out, and only into the folder given."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from lab_support.grading.submissions.unpacking import Limits, Unpacked, unpack


def zipped(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    archive = folder / "class.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            opened.writestr(name, content, zipfile.ZIP_DEFLATED)
    return archive


def names(done: Unpacked) -> list[str]:
    return [member.name for member in done.members]


def test_a_notebook_comes_out_under_a_number_and_keeps_its_name_as_data(tmp_path: Path) -> None:
    done = unpack(zipped(tmp_path, ("Äda/lab 1.ipynb", b"{}")), tmp_path / "out")
    assert (names(done), done.notes) == (["Äda/lab 1.ipynb"], ())
    assert done.members[0].path.read_bytes() == b"{}"


@pytest.mark.parametrize("name", ["../x.ipynb", "/x.ipynb", "a/../../x.ipynb", "..\\x.ipynb", "C:x.ipynb"])
def test_a_name_that_leads_out_is_noted_and_the_rest_comes_out(tmp_path: Path, name: str) -> None:
    done = unpack(zipped(tmp_path, (name, b"{}"), ("good.ipynb", b"{}")), tmp_path / "out")
    assert names(done) == ["good.ipynb"]
    assert "leads out" in done.notes[0][1]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_device_is_left_out(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("lab.ipynb")
    info.external_attr = (kind | 0o777) << 16
    done = unpack(zipped(tmp_path, (info, b"target")), tmp_path / "out")
    assert (names(done), done.notes) == ([], (("lab.ipynb", "it is a link or a device, not a file"),))


def test_a_bomb_is_left_out(tmp_path: Path) -> None:
    done = unpack(zipped(tmp_path, ("lab.ipynb", bytes(5_000_000))), tmp_path / "out")
    assert "grows too much" in done.notes[0][1]


def test_a_file_over_the_single_limit_is_left_out(tmp_path: Path) -> None:
    done = unpack(zipped(tmp_path, ("lab.ipynb", b"12345")), tmp_path / "out", limits=Limits(single_bytes=4))
    assert "larger than 4" in done.notes[0][1]


def test_the_total_is_limited_and_nothing_half_written_stays(tmp_path: Path) -> None:
    archive = zipped(tmp_path, ("a.ipynb", b"123"), ("b.ipynb", b"456"))
    done = unpack(archive, tmp_path / "out", limits=Limits(total_bytes=5))
    assert (names(done), done.notes[0][0]) == (["a.ipynb"], "b.ipynb")
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_too_many_files_refuse_the_archive(tmp_path: Path) -> None:
    archive = zipped(tmp_path, ("a.ipynb", b"1"), ("b.ipynb", b"2"))
    assert "holds 2 files" in unpack(archive, tmp_path / "out", limits=Limits(members=1)).notes[0][1]


def test_of_two_members_of_one_name_the_first_counts(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zipped(tmp_path, ("a.ipynb", b"1"), ("a.ipynb", b"2"))
    done = unpack(archive, tmp_path / "out")
    assert (done.members[0].path.read_bytes(), done.notes[0][0]) == (b"1", "a.ipynb")


def test_an_encrypted_member_is_noted(tmp_path: Path) -> None:
    archive = zipped(tmp_path, ("a.ipynb", b"1"))
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(raw)
    assert unpack(archive, tmp_path / "out").notes == (("a.ipynb", "it is encrypted"),)


def test_a_damaged_member_is_noted_and_the_rest_comes_out(tmp_path: Path) -> None:
    archive = zipped(tmp_path, ("a.ipynb", b"some text"), ("b.ipynb", b"{}"))
    raw = bytearray(archive.read_bytes())
    raw[30 + len("a.ipynb")] ^= 0xFF
    archive.write_bytes(raw)
    done = unpack(archive, tmp_path / "out")
    assert (names(done), "damaged" in done.notes[0][1]) == (["b.ipynb"], True)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut"])
def test_what_is_no_zip_is_one_note(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "class.zip"
    archive.write_bytes(content)
    assert "not a readable zip" in unpack(archive, tmp_path / "out").notes[0][1]
