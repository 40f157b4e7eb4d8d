"""Bytes to text: what is declared is believed as far as the bytes bear it out."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import character_sets
from prefetch.intake import charset


def message(text: str, codec: str) -> bytes:
    """A PID with this text in it."""
    return f"MSH|^~\\&|A|B\rPID|1||123||{text}||19700101\r".encode(codec)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("UNICODE UTF-8", "utf_8"),
        ("UTF-8", "utf_8"),
        ("8859/1", "iso8859_1"),
        ("8859/15", "iso8859_15"),
        ("ISO-8859-2", "iso8859_2"),
        ("ISO_IR 100", "iso8859_1"),
        ("ISO IR192", "utf_8"),
        ("CP1250", "cp1250"),
        ("windows-1251", "cp1251"),
        ("GB 18030-2000", "gb18030"),
        ("KS X 1001", "cp949"),
        ("Shift_JIS", "cp932"),
        ("8859/12", None),
        ("ISO IR87", "cp932"),
        ("ASCII", None),
        ("DE", None),
        ("", None),
    ],
)
def test_names_of_character_sets(declared: str, expected: str | None) -> None:
    """HL7's names, DICOM's, and those that senders write in their place name a codec that exists."""
    assert character_sets.codec(declared) == expected
    if expected:
        codecs.lookup(expected)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Müller^Jörg", "utf-8"),
        ("Müller^Jörg", "cp1252"),
        ("Lefèvre^Chloé", "iso8859_1"),
        ("Ñuñez^José Ángel", "iso8859_15"),
        ("Åström^Björn", "cp1252"),
        ("Čermáková^Žofie, Tomášov", "cp1250"),
        ("Žižková^Tamara", "iso8859_2"),
        ("Wesołowska^Elżbieta", "cp1250"),
        ("Соколова^Мария^Ивановна", "cp1251"),
        ("Соколова^Мария^Ивановна", "koi8_r"),
        ("Соколова^Мария^Ивановна", "iso8859_5"),
        ("Παπαδοπούλου^Μαρία", "cp1253"),
        ("ソ表^花子", "cp932"),
        ("やまだ^はなこ レントゲン", "euc_jp"),
        ("山田^花子", "iso2022_jp"),
        ("홍길순^영상의학과", "euc_kr"),
        ("王^小红 急诊科", "gb18030"),
        ("王^小紅 放射科", "big5"),
        ("Yılmaz^Gülşah Göğüs BT", "cp1254"),
        ("Žukauskas^Ąžuolas, Krūtinės ląstos", "cp1257"),
        ("Dvořák^Jiří", "cp1250"),
        ("Kovács^Győző, mellűri", "iso8859_2"),
        ("Sjögren^Åsa, Brøndby", "cp1252"),
        ("São João^Conceição", "iso8859_1"),
        ("Example^Ada", "ascii"),
    ],
)
def test_undeclared_text_is_recognised(text: str, codec: str) -> None:
    """Text in the encodings that hospitals use is read although nothing declares it."""
    assert text in charset.decode(message(text, codec)).text


@pytest.mark.parametrize(
    ("text", "codec", "declared"),
    [
        ("Kopeć^Roman", "cp1250", "CP1250"),
        ("Kopeć^Roman", "iso8859_2", "8859/2"),
        ("Kopeć^Roman", "utf-8", "8859/1"),
        ("ソ表^花子", "cp932", "8859/1"),
        ("Соколова", "cp1251", "8859/1"),
        ("Dvořák^Jiří CT břicha a pánve", "cp1250", "8859/1"),
        ("Wiśniewska^Małgorzata RTG klatki piersiowej", "iso8859_2", "8859/1"),
        ("Yılmaz^Gülşah Göğüs BT", "cp1254", "8859/1"),
        ("Jørgensen^Søren", "iso8859_1", "8859/1"),
        ("Muñoz^Begoña Écho", "iso8859_1", "8859/1"),
        ("Lefèvre^Thérèse, Müller^Jörg, Nuñez", "iso8859_1", "8859/1"),
        ("Guðmundsdóttir^Þórdís", "iso8859_1", "8859/1"),
        ("Müller „Jörg“", "cp1252", "8859/1"),
        ("Şahin^Ayşe", "iso8859_9", "8859/9"),
        ("Müller", "cp1252", "UNICODE UTF-8"),
        ("Müller", "cp1252", "ASCII"),
        ("联通", "gb18030", "GB 18030-2000"),
        ("Björk^Þóra", "iso8859_1", "8859/1"),
        ("山田", "iso2022_jp", "~ISO IR87"),
        ("Größe", "cp850", "CP850"),
    ],
)
def test_declared_set_is_believed_where_it_can_be(text: str, codec: str, declared: str) -> None:
    """A right declaration decides; a wrong one is overruled by what the bytes plainly are."""
    assert text in charset.decode(message(text, codec), declared=declared).text


@pytest.mark.parametrize(
    ("text", "codec", "country", "language"),
    [
        ("Kopeć^Roman", "cp1250", "POL", ""),
        ("Şahin^Ayşe Yıldız", "cp1254", "", "TR"),
        ("Žvirblis^Ąžuolė", "cp1257", "LTU", ""),
        ("楊嘉翔", "big5", "TWN", ""),
        ("כהן^רות", "cp1255", "ISR", "HE"),
        ("محمد", "cp1256", "", "AR"),
    ],
)
def test_country_and_language_decide_between_equals(
    text: str, codec: str, country: str, language: str
) -> None:
    """Where bytes alone do not tell, MSH-17 and MSH-19 do."""
    assert text in charset.decode(message(text, codec), country=country, language=language).text


def test_character_cut_off_at_the_end_of_a_field_spoils_nothing_else() -> None:
    """A database that cuts by bytes halves a character of UTF-8; all the others are read as they are."""
    whole = "Müller^Jörg^Äußere Straße größer".encode()
    assert (
        charset.decode(whole + b" \xc3|19700101").text == "Müller^Jörg^Äußere Straße größer \ufffd|19700101"
    )


def test_byte_order_mark_is_not_text() -> None:
    """The mark at the beginning of a file is dropped."""
    assert charset.decode(b"\xef\xbb\xbfMSH").text == "MSH"


@pytest.mark.parametrize("codec", ["utf_16_le", "utf_16_be"])
def test_text_in_16_bits_becomes_text_in_8(codec: str) -> None:
    """With or without a mark; what is not whole loses its last character, and 8 bits stay as they are."""
    for mark in ("", "\ufeff"):
        raw = f"{mark}MSH|例".encode(codec)
        assert (charset.wide(raw), charset.narrow(raw)) == (codec, "MSH|例".encode())
    assert charset.narrow("MSH|例".encode(codec)[:-1]) == b"MSH|"
    assert charset.narrow(b"\xff\xfeMSH|") == b"\xff\xfeMSH|"


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "8859/1", "UNICODE UTF-8", "ISO IR87", "CP1250", "nonsense"]),
)
def test_any_bytes_become_text(raw: bytes, declared: str) -> None:
    """No bytes and no declaration make decoding fail, and ASCII stays what it is."""
    decoded = charset.decode(raw, declared=declared, country="JPN", language="PL")
    assert isinstance(decoded.text, str)
    if raw.isascii() and b"\x1b" not in raw:
        assert decoded.text == raw.decode()


@pytest.mark.parametrize("foreign", ["Müller^Jörg", "Grüße", "Löw"])
@pytest.mark.parametrize("more", ["", "Übelkeit, Schwäche und Gefühlsstörung", "Schädel"])
def test_one_value_that_is_not_of_the_declared_utf8_is_read_by_itself(foreign: str, more: str) -> None:
    """And the others as declared: no value is lost to another's mistake, nor read as Chinese."""
    raw = b"MSH|^~\\&|A\rPID|||1||" + foreign.encode("cp1252") + b"\rOBR|||" + more.encode() + b"|Kopf"
    text = charset.decode(raw, declared="UNICODE UTF-8").text
    assert (True, True) == (foreign in text, more in text)


def test_each_value_is_read_once_however_many_there_are() -> None:
    """Of a message as long as a listener takes: compared with each other, half a million would take hours."""
    foreign = "|".join(f"Zürich{number}" for number in range(400_000))
    text = charset.decode(b"MSH|Z\xc3\xbcrich|" + foreign.encode("cp1252"), declared="UNICODE UTF-8").text
    assert f"MSH|Zürich|{foreign}" == text
