"""A first configuration is right whatever a site is called: its words are read, quoted and checked."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from prefetch import config, yamlfile
from prefetch.new_site import description, site_file, starter_rules, writing
from prefetch.new_site.description import NewPeer, NewSite
from prefetch.settings import Config

RULE = "version: 1\nrules: [{name: all, priors: [{newest: 1}]}]\n"
BROAD = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

AE_TITLES = st.one_of(
    st.sampled_from(
        ["NO", "no", "Yes", "on", "null", "~", "1E3", "0123", "0x10", "1_000", "12:30:00", "-", "?"]
    ),
    st.sampled_from(
        ["A B", "ABCDEFGHIJKLMNOP", "# one", "a: b", "{a}", "[a]", '"', "'", "&a", "*a", "!a", "%", "@"]
    ),
    st.text(string.printable[:94].replace("\\", "") + " ", min_size=1, max_size=16),
).filter(lambda text: text.strip())
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True)
HOSTS = st.one_of(
    st.sampled_from(["pacs.example.org", "no", "localhost", "pacs_1", "1and1.example.org"]),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
PORTS = st.integers(1, 65535)
ZONES = st.sampled_from(
    ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "GMT0", "EST5EDT"]
)


@st.composite
def drawn_peers(draw: st.DrawFn, kind: str) -> tuple[NewPeer, ...]:
    """Archives or workstations with odd names, in the words of an option."""
    peers: list[NewPeer] = []
    for _ in range(draw(st.integers(1, 6))):
        name, ae_title = draw(st.none() | NAMES), draw(AE_TITLES)
        name = "x" if name is None and "=" in ae_title else name
        address = f"@{description.write_address(draw(HOSTS), draw(PORTS))}"
        if kind == "workstation" and "@" not in ae_title and draw(st.booleans()):
            address = ""
        peer = description.READERS[kind](f"{'' if name is None else f'{name}='}{ae_title}{address}")
        assert ae_title.strip() == peer.ae_title
        try:
            peers.append(description.require_new(peer, kind, peers))
        except ValueError:
            continue
    return tuple(peers)


@st.composite
def sites(draw: st.DrawFn) -> NewSite:
    """Any site that could be described."""
    archives = description.name_peers(draw(drawn_peers("archive")), "archive")
    taken = [peer.name for peer in archives]
    return NewSite(
        ae_title=description.read_ae_title(draw(AE_TITLES)),
        time_zone=description.read_zone(draw(ZONES)),
        listener_host=draw(HOSTS),
        listener_port=draw(PORTS),
        archives=archives,
        workstations=description.name_peers(draw(drawn_peers("workstation")), "workstation", taken=taken),
        store=draw(st.sampled_from(["sqlite:///prefetch.db", "sqlite:////var/lib/prefetch/prefetch.db"])),
    )


def site(**facts: Any) -> NewSite:
    """A small site."""
    values: dict[str, Any] = {
        "ae_title": "PREFETCH",
        "time_zone": "Europe/Berlin",
        "listener_host": "10.1.0.7",
        "listener_port": 2575,
        "archives": (NewPeer(name="pacs", ae_title="PACS", host="pacs.example.org", port=104),),
        "workstations": (NewPeer(name="read1", ae_title="READ1", host="10.1.2.3", port=11112),),
        "store": "sqlite:///prefetch.db",
    }
    return NewSite(**{**values, **facts})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with one rule, for a `prefetch.yaml` beside it."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text(RULE)
    return tmp_path


@BROAD
@given(new=sites())
def test_whatever_is_described_is_a_configuration(directory: Path, new: NewSite) -> None:
    """It has neither errors nor warnings, and every AE title, name, host and port stands in it."""
    (directory / "prefetch.yaml").write_text(site_file.render(new))
    report = config.examine(directory / "prefetch.yaml")
    assert () == report.problems
    assert report.config is not None
    assert (new.ae_title, new.time_zone) == (report.config.ae_title, report.config.time_zone.key)
    listener = report.config.listeners["ris"]
    assert (new.listener_host, new.listener_port) == (listener.host, listener.port)
    for peers, loaded in (
        (new.archives, report.config.archives),
        (new.workstations, report.config.workstations),
    ):
        given_facts = [(peer.name, peer.ae_title, peer.host, peer.port) for peer in peers]
        assert given_facts == [(name, one.ae_title, one.host, one.port) for name, one in loaded.items()]


@BROAD
@given(new=sites())
def test_every_reader_of_yaml_reads_the_same(new: NewSite) -> None:
    """A text stays a text, under YAML 1.1 and 1.2: NO is no Boolean, 1E3 and 0123 are no numbers."""
    for version in ("1.1", "1.2"):
        reader = YAML(typ="safe", pure=True)
        reader.version = version
        loaded = reader.load(site_file.render(new))
        for peers, section in ((new.archives, "archives"), (new.workstations, "workstations")):
            assert [peer.name for peer in peers] == list(loaded[section])
            assert [peer.ae_title for peer in peers] == [one["ae_title"] for one in loaded[section].values()]
        assert new.ae_title == loaded["ae_title"]


def examples(text: str) -> Iterator[str]:
    """The file with each of its commented-out lines in force, one at a time."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if example := re.fullmatch(r"( *)# (([a-z_]+): \S.*)", line):
            key = f"{example[1]}{example[3]}:"
            rest = [other for other in lines if not other.startswith(key)]
            place = rest.index(line)
            yield "\n".join([*rest[:place], f"{example[1]}{example[2]}", *rest[place + 1 :]])
            assert number >= place


@pytest.mark.parametrize("text", list(examples(site_file.render(site()))))
def test_each_commented_out_line_is_right_in_its_place(text: str, tmp_path: Path) -> None:
    """Take away its `# ` and the file still loads."""
    (tmp_path / "prefetch.yaml").write_text(text)
    assert yamlfile.load(tmp_path / "prefetch.yaml", Config) is not None


def test_commented_out_lines_are_many() -> None:
    """What sites commonly want is there to be uncommented."""
    assert len(list(examples(site_file.render(site())))) >= 14


def test_every_key_has_a_comment_above_it() -> None:
    """But for names, and for what an AE title, a host and a port already say."""
    lines = site_file.render(site()).splitlines()
    plain = {
        "version",
        "ris",
        "pacs",
        "read1",
        "ae_title",
        "host",
        "port",
        "planning",
        "ready_by",
        "studies",
        "instances",
    }
    for before, line in itertools.pairwise(lines):
        key = re.fullmatch(r" *([a-z_0-9]+):.*", line)
        assert key is None or key[1] in plain or before.lstrip().startswith("#"), line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("PACS", "lacks an address"),
        ("PACS@pacs", "lacks a host or a port"),
        ("PACS@:104", "lacks a host or a port"),
        ("PACS@pacs:0", "from 1 to 65535"),
        ("PACS@pacs:104x", "from 1 to 65535"),
        ("PACS@pa cs:104", "neither a host name nor an IP address"),
        ("PACS@fd00::1:104", "put it in brackets"),
        ("a b=PACS@pacs:104", "not a name"),
        ("PÄCS@pacs:104", "not an AE title"),
        ("ABCDEFGHIJKLMNOPQ@pacs:104", "not an AE title"),
    ],
)
def test_a_mistake_is_told_with_what_to_type(text: str, words: str) -> None:
    """Before anything is tried or written."""
    with pytest.raises(ValueError, match=words):
        description.read_archive(text)


def test_a_port_alone_listens_everywhere() -> None:
    """As most sites want it."""
    assert ("0.0.0.0", 2576) == description.read_listener(" 2576 ")  # noqa: S104 (not bound here)


@pytest.mark.parametrize("text", ["*", "4?11", "a\\b", "  "])
def test_a_patient_id_that_could_find_everybody_is_none(text: str) -> None:
    """Wildcards are never sent as a key."""
    with pytest.raises(ValueError, match="cannot stand in a patient ID"):
        description.read_patient_id(text)


def test_two_workstations_of_one_ae_title_cannot_be() -> None:
    """An archive could not tell them apart."""
    first, second = (
        description.read_workstation(f"{name}=READ1@h:{port}") for name, port in (("a", 1), ("b", 2))
    )
    with pytest.raises(ValueError, match="another workstation has the AE title READ1"):
        description.require_new(second, "workstation", [first])


# --- starter rules ---------------------------------------------------------------------------------

TOPICS = tuple(starter_rules.topics())


def write_site(directory: Path, chosen: Sequence[str]) -> config.Report:
    """Write a site with the rules of some topics as `prefetch init` does."""
    texts = {Path("rules") / name: text for name, text in starter_rules.files(chosen).items()}
    two = tuple(NewPeer(name=f"read{n}", ae_title=f"READ{n}", answers_queries=False) for n in (1, 2))
    texts[Path("prefetch.yaml")] = site_file.render(site(workstations=two))
    writing.write(directory, texts, access=writing.Access(), revise=lambda stage: revised(stage, texts))
    return config.examine(directory / "prefetch.yaml")


def revised(stage: Path, texts: dict[Path, str]) -> dict[Path, str]:
    """The files of tests without those that need other rules."""
    loaded = config.load(stage / "prefetch.yaml")
    return starter_rules.without_foreign_tests(stage, texts, loaded)


@pytest.mark.parametrize("topic", TOPICS)
def test_the_rules_of_any_topic_stand_alone(topic: str, tmp_path: Path) -> None:
    """Nothing is wrong or suspicious, and each test that comes with them passes."""
    report = write_site(tmp_path, [topic])
    assert () == report.problems
    assert report.config is not None
    assert [] == starter_rules.foreign_cases(tmp_path / "rules" / "tests", report.config)


def test_all_topics_come_with_all_their_tests(tmp_path: Path) -> None:
    """Nothing is left out where everything is taken."""
    report = write_site(tmp_path, TOPICS)
    assert () == report.problems
    for name, text in starter_rules.files(TOPICS).items():
        assert text == (tmp_path / "rules" / name).read_text()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.sets(st.sampled_from(TOPICS), min_size=2, max_size=6))
def test_any_topics_go_together(tmp_path_factory: pytest.TempPathFactory, chosen: set[str]) -> None:
    """Whichever a site takes, a check finds nothing and every test passes."""
    directory = tmp_path_factory.mktemp("site")
    report = write_site(directory, [topic for topic in TOPICS if topic in chosen])
    assert () == report.problems
    assert report.config is not None
    assert [] == starter_rules.foreign_cases(directory / "rules" / "tests", report.config)


def test_topics_are_read_as_they_are_written() -> None:
    """In any order and case, between commas or blanks; `all` is all."""
    assert ("chest", "neuro") == starter_rules.read_topics("Neuro, chest")
    assert TOPICS == starter_rules.read_topics("all")
    with pytest.raises(ValueError, match=r"there are no rules for neura; did you mean neuro\?"):
        starter_rules.read_topics("neura")
    with pytest.raises(ValueError, match="type all, or some of"):
        starter_rules.read_topics(" ,")


# --- writing ---------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """Files that were replaced are back, new ones and their directories are gone."""
    place = tmp_path / "site"
    (place / "blocked" / "by").mkdir(parents=True)
    (place / "first.yaml").write_text("before")
    texts = {Path(name): "after" for name in ("first.yaml", "new/second.yaml", "blocked/by")}
    with pytest.raises(OSError, match="blocked"):
        writing.write(place, texts, access=writing.Access(), revise=lambda _: {})
    assert "before" == (place / "first.yaml").read_text()
    assert ["blocked", "first.yaml"] == sorted(path.name for path in place.iterdir())


def test_what_ends_while_it_is_checked_leaves_nothing(tmp_path: Path) -> None:
    """Not even the directory that was made."""

    def interrupt(_: Path) -> dict[Path, str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing.write(
            tmp_path / "a" / "b", {Path("c/d.yaml"): "x"}, access=writing.Access(), revise=interrupt
        )
    assert [] == list(tmp_path.iterdir())


def test_files_of_the_service_are_for_its_group_alone(tmp_path: Path) -> None:
    """0640 in directories of 0750."""
    access = writing.Access(file_mode=0o640, directory_mode=0o750)
    writing.write(tmp_path / "etc", {Path("rules/a.yaml"): "x"}, access=access, revise=lambda _: {})
    modes = [(tmp_path / "etc" / name).stat().st_mode & 0o777 for name in ("rules/a.yaml", "rules", ".")]
    assert [0o640, 0o750, 0o750] == modes
