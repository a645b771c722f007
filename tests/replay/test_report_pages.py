"""A report shows what is known of an episode, is well-formed, and never runs what users sent.

Method: pages of made-up episodes are parsed; texts, tables and bars are read back from the tree.
"""

import json
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest
from made_episodes import (
    ATTACK,
    EPISODE,
    PICTURE,
    cause,
    columns,
    event,
    hour,
    keep,
    numeric,
    say,
    text,
)

from engine.errors import SinkError, SourceError, UsageError
from engine.events.drift import (
    DriftBudget,
    DriftSegment,
    DriftWindow,
    MovedValue,
    SmallPicture,
    quality_record,
)
from engine.replay import report_files
from engine.replay.report_episode import find_episode
from engine.replay.report_evidently import COLUMNS_MAX, evidently_page, has_evidently
from engine.replay.report_files import write_report
from engine.replay.report_page import RECORDS_FIRST, RECORDS_LAST, episode_page, headline

SAFE = ATTACK.replace("<", "\u2039").replace(">", "\u203a")
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Reads a page, and objects to tags that do not match and to ids that are there twice."""

    def __init__(self, content):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.tags = []
        self.texts = []
        self.rows = []
        self.attributes = []
        self.feed(content)
        self.close()
        assert self.open == []
        ids = [found["id"] for _, found in self.attributes if "id" in found]
        assert len(ids) == len(set(ids))
        self.ids = set(ids)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.texts.append(data)
        if self.open and {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def text(self):
        return " ".join(self.texts)

    def all(self, tag):
        return [found for name, found in self.attributes if name == tag]


def page_of(folder, wanted=EPISODE, *, link=None, note=""):
    content = episode_page(find_episode(wanted, folder), link=link, note=note)
    return content, Page(content)


@pytest.fixture
def folder(tmp_path):
    """An episode that opened, grew and closed, with rows of the record in which it grew."""
    grown = event(1, severity="critical")
    closed = event(
        2, status="closed", severity="critical", window=grown.window, evaluatedAt=hour(8),
        endsAt=hour(5),
    )  # fmt: skip
    say(tmp_path, event(), grown, closed)
    keep(tmp_path, grown)
    return tmp_path


def test_the_page_says_what_since_when_and_why(folder):
    _, page = page_of(folder)
    assert headline(find_episode(EPISODE, folder)) == "Drift of credit 3: critical, closed"
    assert page.texts.count("Drift of credit 3: critical, closed") == 1
    for said in (
        *("Drift of credit 3: income in region=eu & more.", f"{hour(0)} (estimated)", hour(8)),
        *(hour(5), "1 false alarm per week: p-values up to 0.0001 count", EPISODE),
    ):
        assert said in page.text


def test_the_timeline_has_the_onset_and_each_record(folder):
    _, page = page_of(folder)
    timeline = [row[:2] + row[4:5] for row in page.rows if row[0] in {"opened", "grew", "closed"}]
    assert timeline == [
        ["opened", hour(2), "warning"],
        ["grew", hour(3), "critical"],
        ["closed", hour(8), "critical"],
    ]
    assert ["began (estimated)", hour(0)] in [row[:2] for row in page.rows]


def test_causes_are_ranked_in_a_table_and_link_to_their_parts(folder):
    _, page = page_of(folder)
    assert ["income", "region=eu", "psi", "0.21", "3e-21", "4.2", "2.1", "90 %"] in page.rows
    assert ["age", "all rows", "psi", "0.21", "3e-21", "4.2", "2.1", "90 %"] in page.rows
    assert ["20..", "20 %", "80 %", "+60.0"] in page.rows
    assert ["region=eu", "100 %", "income, age"] in page.rows
    targets = {found["href"] for found in page.all("a")}
    assert targets == {"#cause-0", "#cause-1"}
    assert {target[1:] for target in targets} <= page.ids


def test_both_distributions_are_drawn_to_one_scale(folder):
    _, page = page_of(folder)
    assert len(page.all("svg")) == 1  # the other cause has no picture, and says so
    assert "there is no distribution to show of it" in page.text
    bars = [found for found in page.all("rect") if found["y"] != "4"]  # but the legend's
    widths = {
        side: [float(bar["width"]) for bar in bars if bar["class"] == f"bar-{side}"]
        for side in ("reference", "window")
    }
    scale = widths["window"][2] / PICTURE.window[2]
    assert widths["reference"] == pytest.approx([scale * s for s in PICTURE.reference], abs=0.05)
    assert widths["window"] == pytest.approx([scale * s for s in PICTURE.window], abs=0.05)
    picture = page.all("svg")[0]
    assert picture["role"] == "img"
    assert set(picture["aria-labelledby"].split()) <= page.ids
    assert "20..: 20 % to 80 %" in page.text


def test_rows_of_both_sides_are_compared_by_feature(folder):
    _, page = page_of(folder)
    rows = {row[0]: row[1:] for row in page.rows if len(row) == 6}
    assert rows["region"] == ["category", "eu (66.7 %)", "eu (66.7 %)", "25 %", "25 %"]
    assert rows["active"] == ["true or false", "false (75 %)", "false (75 %)", "0 %", "0 %"]
    kind, reference, window, *missing = rows["income"]
    assert (kind, missing) == ("number", ["10 %", "10 %"])
    present = columns(500.0)["income"].values[4:]
    assert window.startswith(f"{np.quantile(present, 0.5, method='inverted_cdf'):.4g} (")
    assert reference != window
    assert list(rows).index("income") < list(rows).index("region")  # what moved comes first
    assert "40 rows of the reference and 40 of the window were kept." in page.text


def test_a_feature_that_only_one_side_has_is_missing_in_the_other(tmp_path):
    keep(tmp_path, event(), {"old": numeric([1.0])}, {"new": text(["a"])})
    _, page = page_of(tmp_path)
    assert ["old", "number", "1 (1 to 1)", "none", "0 %", "100 %"] in page.rows
    assert ["new", "category", "none", "a (100 %)", "100 %", "0 %"] in page.rows


def test_infinities_and_odd_names_of_features_do_no_harm(tmp_path):
    odd = {"rows": numeric([np.inf, -np.inf, 1.0]), "value": text(["x", "y", "y"])}
    keep(tmp_path, event(), odd, odd)
    _, page = page_of(tmp_path)
    assert ["rows", "number", *["1 (-inf to inf)"] * 2, "0 %", "0 %"] in page.rows
    assert ["value", "category", *["y (66.7 %)"] * 2, "0 %", "0 %"] in page.rows


def attacked():
    """Every text that users can choose is an attack."""
    hostile = cause(
        ATTACK,
        ATTACK,
        method=ATTACK,
        score=ATTACK,
        pValue=ATTACK,
        direction=ATTACK,
        moved=(MovedValue(ATTACK, 0.1, 0.2),),
        picture=SmallPicture((ATTACK,), (1.0,), (1.0,)),
    )
    return event(
        model=ATTACK,
        version=ATTACK,
        reason=ATTACK,
        causes=(hostile,),
        segments=(DriftSegment(ATTACK, 1.0, (ATTACK,)),),
        budget=DriftBudget(1.0, ATTACK),
    )


def test_what_users_send_is_shown_and_never_run(tmp_path):
    side = {ATTACK: text([ATTACK, ATTACK])}
    keep(tmp_path, attacked(), side, side)
    content, page = page_of(tmp_path, link=f"{ATTACK}.html", note=ATTACK)
    assert "script" not in page.tags
    assert "<script" not in content
    assert page.text.count(ATTACK) > 10
    allowed = {"class", "id", "href", "scope", "role", "aria-labelledby", "lang", "charset",
               "name", "content", "http-equiv", "x", "y", "width", "height", "viewbox",
               "text-anchor"}  # fmt: skip
    assert {name for _, found in page.attributes for name in found} <= allowed


def test_control_characters_and_turns_of_direction_are_taken_out(tmp_path):
    keep(tmp_path, event(reason="a\x00b\x1bc\u202ed"))
    content, _ = page_of(tmp_path)
    assert "a\ufffdb\ufffdc\ufffdd" in content


def test_the_page_needs_nothing_beside_it_and_suits_light_and_dark(folder):
    content, page = page_of(folder)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert "url(" not in content
    assert "://" not in content
    policy = [found["content"] for found in page.all("meta") if "http-equiv" in found]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert "prefers-color-scheme: dark" in content
    assert page.all("html") == [{"lang": "en"}]
    assert all("scope" in found for found in page.all("th"))


def test_the_largest_page_stays_small(tmp_path):
    long = "&" * 1024  # what takes the most room when it is escaped
    moved = tuple(MovedValue(long, 0.1, 0.2) for _ in range(5))
    bins = tuple(f"{number}{long}" for number in range(12))
    picture = SmallPicture(bins, (1 / 12,) * 12, (1 / 12,) * 12)
    causes = tuple(
        cause(f"{number}{long}", long, direction=long, moved=moved, picture=picture)
        for number in range(10)
    )
    segments = tuple(DriftSegment(long, 0.1, (long,) * 5) for _ in range(10))
    records = [
        event(seq, model=long, version=long, causes=causes, segments=segments, reason=long * 20)
        for seq in range(200)
    ]
    say(tmp_path, *records)
    side = {f"{number}{long}": text([long, long]) for number in range(300)}
    keep(tmp_path, records[-1], side, side)
    content, page = page_of(tmp_path)
    assert len(content.encode()) < 200_000
    between = 200 - RECORDS_FIRST - RECORDS_LAST
    assert [row[0] for row in page.rows if row[0].startswith("and ")] == [f"and {between} more"]
    assert sum(row[0] == "grew" for row in page.rows) == RECORDS_FIRST + RECORDS_LAST - 1
    assert "Shown are 50 of 300 features." in page.text


def test_without_records_the_rows_record_alone_is_shown(tmp_path):
    keep(tmp_path, event(3))
    found = find_episode("latest", tmp_path)
    assert found.records == [event(3)]
    assert headline(found) == "Drift of credit 3: warning, open"


def test_without_rows_the_page_is_of_the_records_and_says_why(tmp_path):
    say(tmp_path, event(), event(1))
    found = find_episode("latest", tmp_path)
    assert (found.shown, found.samples) == (event(1), None)
    assert "limits.episodes" in page_of(tmp_path)[1].text
    say(tmp_path, event(group="quality", window=DriftWindow(hour(1), hour(2), 0, 0)))
    _, page = page_of(tmp_path)
    assert "no rows are kept of them" in page.text
    assert "every value as it came" in page.text


def test_records_said_again_after_a_restart_count_once(tmp_path):
    say(tmp_path, event(), event(1), event(1), event(2))
    assert [one.seq for one in find_episode("latest", tmp_path).records] == [0, 1, 2]


def test_of_a_file_being_written_the_whole_lines_count(tmp_path):
    window = quality_record(
        model="credit", version="3", segment="", begin_ns=0, end_ns=1, revision=1,
        is_final=False, known_at_ns=1, labelled=1, predictions=2, metrics={},
    ).event  # fmt: skip
    say(tmp_path, window, event(), tail=msgspec.json.encode(event(1))[:-9])
    assert find_episode("latest", tmp_path).records == [event()]


def test_records_may_be_elsewhere(tmp_path):
    state, out = tmp_path / "state", tmp_path / "out"
    out.mkdir()
    keep(state, event(1))
    say(out, event(), event(1), event(2, status="closed"))
    assert find_episode("latest", state).last.status == "update"
    assert find_episode("latest", state, out / "drift.jsonl").last.status == "closed"


def test_an_episode_is_found_by_the_begin_of_its_id_and_latest_is_the_one_opened_last(tmp_path):
    first, second = event(episode="ab" * 16), event(episode="ac" * 16, openedAt=hour(9))
    third = event(episode="dd" * 16, openedAt="2026-01-02T09:00:00.5Z")
    say(tmp_path, second, first)
    keep(tmp_path, third)
    assert find_episode("ab", tmp_path).episode == first.episode
    assert find_episode("ac" * 16, tmp_path).episode == second.episode
    assert find_episode("latest", tmp_path).episode == third.episode
    with pytest.raises(UsageError) as refused:
        find_episode("a", tmp_path)
    assert [line.split()[0] for line in str(refused.value).splitlines()[1:]] == [
        second.episode, first.episode,
    ]  # fmt: skip
    for unknown in ("ffff", ""):
        with pytest.raises(UsageError, match="there is no episode") as refused:
            find_episode(unknown, tmp_path)
        assert [line.split()[0] for line in str(refused.value).splitlines()[1:]] == [
            third.episode, second.episode, first.episode,
        ]  # fmt: skip


def test_of_many_episodes_the_newest_are_listed(tmp_path):
    say(tmp_path, *(event(episode=f"{number:032x}", openedAt=hour(number)) for number in range(15)))
    with pytest.raises(UsageError) as refused:
        find_episode("zz", tmp_path)
    lines = str(refused.value).splitlines()
    assert len(lines) == 12
    assert lines[1].split()[:2] == [f"{14:032x}", hour(14)]
    assert lines[-1] == "  and 5 more"


def test_a_folder_without_episodes_says_why_there_may_be_none(tmp_path):
    with pytest.raises(UsageError, match="has no episode"):
        find_episode("latest", tmp_path)
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        find_episode("latest", tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"there is no file .*nothing"):
        find_episode("latest", tmp_path, tmp_path / "nothing.jsonl")


@pytest.mark.parametrize("name", ["drift.jsonl", "event.json", "window.parquet"])
def test_what_can_not_be_read_is_named(folder, name):
    path = folder / name if name == "drift.jsonl" else folder / "evidence" / EPISODE / name
    path.write_bytes(b"{]\n")
    with pytest.raises(SourceError, match=f"{name if name != 'window.parquet' else EPISODE}.*read"):
        find_episode("latest", folder)


def test_a_page_that_can_not_be_written_is_an_error(folder):
    (folder / "file").write_text("")
    with pytest.raises(SinkError, match="can't be written"):
        write_report(find_episode("latest", folder), folder / "file" / "x.html", plain=True)


@pytest.fixture
def installed(monkeypatch):
    """Stand in for Evidently's report, which is told of what is left to it."""

    def use(function):
        monkeypatch.setattr(report_files, "has_evidently", lambda: True)
        monkeypatch.setattr(report_files, "evidently_page", function)

    return use


def test_evidentlys_report_lies_beside_ours_which_links_to_it(folder, installed):
    asked = []
    installed(lambda samples, first: asked.append(first) or "<p>theirs</p>")
    files = write_report(find_episode("latest", folder), folder / "my report.html", plain=False)
    assert asked == [["income", "age"]]
    assert files.evidently == str(folder / "my report-evidently.html")
    assert (folder / "my report-evidently.html").read_text() == "<p>theirs</p>"
    page = Page((folder / "my report.html").read_text())
    assert "my%20report-evidently.html" in {found["href"] for found in page.all("a")}


@pytest.mark.parametrize("content", [None, ZeroDivisionError("of its own")])
def test_whatever_ails_evidently_there_is_our_page_which_says_so(folder, installed, content):
    def fail(samples, first):
        if content is not None:
            raise content

    installed(fail)
    files = write_report(find_episode("latest", folder), folder / "r.html", plain=False)
    assert files.evidently is None
    assert ("ZeroDivisionError: of its own" if content else "no feature") in files.note
    assert files.note in Page((folder / "r.html").read_text()).text


def test_plain_leaves_evidently_out_without_a_word(folder, installed):
    installed(lambda samples, first: pytest.fail("it was not wanted"))
    files = write_report(find_episode("latest", folder), folder / "r.html", plain=True)
    assert (files.evidently, files.note) == (None, "")


def test_without_the_extra_the_page_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setattr(report_files, "has_evidently", lambda: False)
    files = write_report(find_episode("latest", folder), folder / "r.html", plain=False)
    assert "pip install 'streamgauge[reports]'" in files.note
    assert files.note in Page((folder / "r.html").read_text()).text


@pytest.mark.filterwarnings("ignore")  # Evidently's dependencies use what others deprecate
def test_evidently_reports_on_the_rows_and_runs_none_of_their_texts(tmp_path):
    if not has_evidently():
        pytest.skip("the extra `reports` (Evidently) is not installed")
    hostile = text([ATTACK, "b", "b", None] * 10)
    more = {f"f{number:03}": numeric(np.arange(40.0)) for number in range(60)}
    infinite = numeric([np.inf] * 40)
    sides = [
        {**columns(shift), ATTACK: hostile, SAFE: hostile, **more,
         "infinite": infinite}
        for shift in (0.0, 500.0)
    ]  # fmt: skip
    keep(tmp_path, event(), *sides)
    samples = find_episode("latest", tmp_path).samples
    content = evidently_page(samples, ["income", ATTACK, "infinite"])
    assert "<script>alert" not in content
    assert "Value Drift for column income" in content
    assert json.dumps(SAFE)[1:-1] in content
    assert content.count("Value Drift for column") == COLUMNS_MAX
    assert evidently_page(type(samples)(samples.reference[:0], samples.window), []) is None
