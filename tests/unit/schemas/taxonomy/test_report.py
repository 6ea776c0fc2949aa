from __future__ import annotations

import io
import os
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from schemas.errors import InvalidTaxonomy
from schemas.taxonomy import TaxonomyReport, read_taxonomy, validate_taxonomy

DATA = Path(os.environ.get("SHELFWISE_DATA", Path(__file__).parents[5] / "shared" / "data"))

BROKEN = b"""id,parent_id,name
1,,Home
2,1,Lamps
2,1,Lights
3,4,Rugs
4,3,Mats
5,77,Beds
6,1,lamps
7,1,Ch\xe9irs
8,1,Lamps
9,1,
"""


def _report(folder: Path, data: bytes) -> TaxonomyReport:
    (folder / "tree.csv").write_bytes(data)
    return validate_taxonomy(folder / "tree.csv")


def _rendered(report: TaxonomyReport) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(report)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_problems_of_a_broken_file_are_listed_by_line(tmp_path: Path) -> None:
    report = _report(tmp_path, BROKEN)
    assert not report.valid
    assert [(problem.line, str(problem.kind), problem.severity) for problem in report.problems] == [
        (4, "duplicate_id", "error"),
        (5, "cycle", "error"),
        (7, "missing_parent", "error"),
        (8, "same_but_for_case", "warning"),
        (9, "invalid_utf8", "error"),
        (10, "duplicate_path", "warning"),
        (11, "nameless", "warning"),
    ]
    assert report.problem_counts["cycle"] == 1


def test_the_figures_of_a_broken_file_describe_what_is_left_of_it(tmp_path: Path) -> None:
    report = _report(tmp_path, BROKEN)
    assert (report.nodes, report.leaves, report.roots, report.aliases) == (3, 2, ("Home",), 1)
    assert report.depth_histogram == {1: 1, 2: 2}


def test_a_valid_file_is_described(tmp_path: Path) -> None:
    report = _report(tmp_path, b"path\nHome > Lamps > Desk Lamps\nHome > Rugs\nGarden\n")
    assert report.valid
    assert (report.entries, report.nodes, report.leaves, report.created_parents) == (3, 5, 3, 2)
    assert (report.max_depth, report.depth_histogram) == (3, {1: 2, 2: 2, 3: 1})
    assert (report.roots, report.longest_names[0]) == (("Home", "Garden"), "Desk Lamps")
    assert report.problem_counts == {"missing_parent": 2}


def test_the_json_holds_every_problem_in_full(tmp_path: Path) -> None:
    report = orjson.loads(_report(tmp_path, BROKEN).to_json())
    assert report["depth_histogram"] == {"1": 1, "2": 2}
    assert report["problems"][1] == {
        "kind": "cycle",
        "severity": "error",
        "line": 5,
        "detail": "2 categories are their own ancestors; they and all below them were left out",
        "text": "3 -> 4 -> 3",
        "remedy": "correct the parent_id of one of them",
    }


def test_the_rendering_states_the_verdict_and_every_error_before_the_warnings(tmp_path: Path) -> None:
    text = _rendered(_report(tmp_path, BROKEN))
    assert "not a valid taxonomy, 4 errors" in text
    assert text.rindex("error:") < text.index("warning:")
    assert "a valid taxonomy" in _rendered(_report(tmp_path, b"path\nHome\n"))


def test_the_rendering_of_many_problems_says_how_many_it_leaves_out(tmp_path: Path) -> None:
    rows = b"".join(b"Home > Lamps > L%d > Desk\n" % number for number in range(100))
    assert "... and 62 more problems" in _rendered(_report(tmp_path, b"path\n" + rows))


def test_markup_in_a_name_is_shown_as_it_is(tmp_path: Path) -> None:
    assert "[red]Home[/red]" in _rendered(_report(tmp_path, b"path\n[red]Home[/red]\n"))


def test_a_file_without_a_category_is_described_as_empty(tmp_path: Path) -> None:
    report = _report(tmp_path, b"path\n")
    assert (report.valid, report.nodes, report.problem_counts) == (False, 0, {"empty": 1})
    assert "0 leaves" in _rendered(report)


@pytest.mark.parametrize("data", [BROKEN, b"path\nHome\n", b"path\n", b"id,path\n1,A\n2,A\n", b"path\n\xff\n"])
def test_the_report_and_the_reader_agree_on_what_is_valid(tmp_path: Path, data: bytes) -> None:
    report = _report(tmp_path, data)
    try:
        tree = read_taxonomy(tmp_path / "tree.csv")
    except InvalidTaxonomy:
        assert not report.valid
    else:
        assert (report.valid, report.nodes, report.version) == (True, len(tree), tree.version)


@pytest.mark.parametrize(
    ("file", "entries", "nodes", "leaves", "created"),
    [
        ("taxonomy_google_2021-09-21.en-US.with-ids.txt", 5_595, 5_595, 4_719, 0),
        ("taxonomy_shopify_2026-08-unstable.en.txt", 14_606, 14_606, 11_942, 0),
        # 4 of its paths carry two ids, one category has no name, and 134 parents are missing.
        ("taxonomy_bestbuy_2017.txt", 4_583, 4_583 - 4 - 1 + 134, 3_878, 134),
    ],
)
def test_published_taxonomies_read_whole(file: str, entries: int, nodes: int, leaves: int, created: int) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"reference data {file} is absent")
    report = validate_taxonomy(DATA / file)
    assert report.valid
    assert (report.entries, report.nodes, report.leaves) == (entries, nodes, leaves)
    assert report.created_parents == created
