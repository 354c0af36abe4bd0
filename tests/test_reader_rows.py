"""Tables of corpora: every encoding and every kind of broken row, named and passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundflow_data.bank.readers._rows import RowError, read_lines, read_pairs, read_table, seconds, span
from soundflow_data.errors import BankError


def table(path: Path, *needed: str, **options: object) -> list[tuple[int, object]]:
    rows = read_table("test", path, needed, **options)  # type: ignore[arg-type]
    return [(number, row.reason if isinstance(row, RowError) else dict(row)) for number, row in rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, newline: str) -> None:
    lines = ("path,text", 'a.wav,"Grüße, 你好"', "", "b.wav,x")
    (tmp_path / "t.csv").write_bytes(newline.join(lines).encode(encoding))
    expected = [(1, {"path": "a.wav", "text": "Grüße, 你好"}), (2, {"path": "b.wav", "text": "x"})]
    assert table(tmp_path / "t.csv", "path", "text") == expected


def test_a_value_that_is_not_utf8_matters_only_where_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(
        b"path,text,note\na.wav,fine,caf\xe9\nb.wav,caf\xe9,fine\nc.wav,caf\xc3\xa9,fine\n"
    )
    assert table(tmp_path / "t.csv", "path", "text") == [
        (1, {"path": "a.wav", "text": "fine", "note": "café"}),
        (2, "mixed encodings"),
        (3, {"path": "c.wav", "text": "café", "note": "fine"}),
    ]


def test_rows_that_are_too_short_too_long_or_absurd(tmp_path: Path) -> None:
    lines = ("path,text", "a.wav", "b.wav,x,y", f"c.wav,{'x' * 200_000}", "d.wav,x")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = table(tmp_path / "t.csv", "path", "text")
    assert found == [(1, "broken row"), (2, "broken row"), (3, "broken row"), (4, {"path": "d.wav", "text": "x"})]


def test_a_quote_that_is_never_closed_does_not_take_the_whole_table(tmp_path: Path) -> None:
    lines = ["path,text", 'a.wav,"open', *(f"{number}.wav,{'x' * 1000}" for number in range(300))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = table(tmp_path / "t.csv", "path", "text")
    assert found[0] == (1, "broken row")
    assert len([row for _, row in found if isinstance(row, dict)]) > 150


def test_quotes_mean_nothing_where_tables_are_never_quoted(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('path\ttext\na.wav\t"Oh\nb.wav\tno"\n')
    found = table(tmp_path / "t.tsv", "path", "text", mark="\t", quoted=False)
    assert [row["text"] for _, row in found] == ['"Oh', 'no"']  # type: ignore[index]


def test_tables_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('# made by hand\n# YTID, labels\nabc, "/m/1,/m/2"\n')
    found = table(tmp_path / "t.csv", "id", names=("id", "labels"), comment="#")
    assert found == [(1, {"id": "abc", "labels": "/m/1,/m/2"})]
    assert table(tmp_path / "t.csv", "id", names=("id", "labels"), skip=2) == found


def test_tables_that_lack_columns_or_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path\n")
    with pytest.raises(BankError, match=r"source 'test': .*t\.csv lacks the columns text; it has path"):
        table(tmp_path / "t.csv", "path", "text")
    for read in (lambda file: table(file, "path"), lambda file: list(read_lines("test", file))):
        with pytest.raises(BankError, match="cannot be read"):
            read(tmp_path / "none.csv")


def test_lines_of_a_name_and_a_text(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfa  one two \n\nb\tthree\nc\nd caf\xe9\n")
    found = [(number, getattr(row, "reason", row)) for number, row in read_pairs("test", tmp_path / "text")]
    assert found == [
        (1, {"name": "a", "text": "one two"}),
        (3, {"name": "b", "text": "three"}),
        (4, {"name": "c", "text": ""}),
        (5, "mixed encodings"),
    ]


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [("1", "1", "bad span"), (2, 1, "bad span"), ("x", 1, "bad span"), (0, "nan", "bad span"), (0, "inf", "bad span"),
     (-1, 1, "bad span"), (None, 1, "bad span"), (0, 7_201, "absurd length")],
)  # fmt: skip
def test_spans_that_make_no_sense(start: object, end: object, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        span(start, end)
    assert caught.value.reason == reason


def test_spans_that_make_sense() -> None:
    assert span("0.5", 2) == (0.5, 2.0)
    assert seconds(" 3.25 ", "start") == 3.25
