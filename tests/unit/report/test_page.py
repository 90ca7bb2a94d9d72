"""The page: self-contained, escaped (R29), and no value left out."""

import re

from gateway.report import Bars, bars
from gateway.report.page import Section, page

PLOT = bars("Cost", "µs", ["a"], [Bars("one", (1.0,))])


def test_it_shows_facts_answer_plots_table_and_sentences() -> None:
    section = Section(
        "Part", ("A sentence.",), [{"name": "x", "µs": 1.5}, {"name": "y", "µs": 2}], (PLOT,), "So it is."
    )
    html = page("Title", {"machine": "EPYC"}, [section])
    assert "<h1>Title</h1>" in html
    assert "<dt>machine</dt><dd>EPYC</dd>" in html
    assert '<p class="answer">So it is.</p>' in html
    assert PLOT in html
    assert "<tr><th>name</th><th>µs</th></tr><tr><td>x</td><td>1.5</td></tr><tr><td>y</td><td>2</td></tr>" in html
    assert "A sentence." in html


def test_r29_every_value_is_escaped() -> None:
    evil = "<img src=//evil.example/x onerror=alert(1)>"
    section = Section(evil, (evil,), [{evil: evil}], (), evil, good=False)
    html = page(evil, {evil: evil}, [section])
    assert "<img" not in html
    assert html.count("&lt;img") == 9


def test_nothing_is_fetched_and_no_script_may_run() -> None:
    html = page("t", {}, [Section("s", plots=(PLOT,))])
    assert "default-src 'none'" in html
    assert set(re.findall(r"https?://[^\"' ]+", html)) == {"http://www.w3.org/2000/svg"}
    assert "<script" not in html
    assert "<link" not in html
