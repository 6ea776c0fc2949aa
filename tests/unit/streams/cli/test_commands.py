from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from click.testing import CliRunner, Result

from schemas.errors import InvalidBundle, InvalidSettings, KafkaUnavailable, ShelfwiseError
from schemas.taxonomy import FORMATS, read_taxonomy
from streams.cli import main
from streams.cli import sample as sample_command
from workers.bundle.bundle import load_bundle
from workers.product_files import FORMATS as PRODUCT_FORMATS
from workers.product_files import ProductFile
from workers.ranking.error_budget import NEVER


def commands(group: click.Group, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    context = click.Context(group)
    found: list[tuple[str, ...]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*prefix, name))
        if isinstance(command, click.Group):
            found += commands(command, (*prefix, name))
    return found


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_the_help_of_every_command_shows_examples_of_it(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"shelfwise {' '.join(path)}" in result.output.partition("Examples:")[2]


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_every_option_of_an_example_exists(path: tuple[str, ...]) -> None:
    command = command_at(path)
    if isinstance(command, click.Group):
        return
    known = {text for parameter in command.params for text in (*parameter.opts, *parameter.secondary_opts)}
    examples = (command.help or "").partition("Examples:")[2].splitlines()
    for example in examples:
        ours = example.partition("|")[0].partition(f"shelfwise {' '.join(path)}")[2].split('"')[::2]
        used = {word for part in ours for word in part.split() if word.startswith("--")}
        assert used <= known, example


def test_listing_the_commands_loads_no_heavy_library() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from streams.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print(sorted({'numpy', 'confluent_kafka', 'faiss', 'xgboost', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KafkaUnavailable("no Kafka here"), 3),
        (InvalidSettings("a setting is wrong"), 2),
        (InvalidBundle("a bundle is damaged"), 1),
    ],
)
def test_an_error_is_one_line_and_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, error: ShelfwiseError, status: int
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(sample_command.command, "callback", fail)
    result = CliRunner().invoke(main, ["sample"])
    assert (result.exit_code, result.stderr) == (status, f"error: {error}\n")
    assert result.stdout == ""


def test_what_a_file_says_does_not_steer_the_terminal_that_tells_of_an_error(tmp_path: Path) -> None:
    products, tree = tmp_path / "products.jsonl", tmp_path / "tree.txt"
    product = {"product_id": "1", "title": "Lamp", "category_path": ["\x1b[2JHome"]}
    products.write_text(json.dumps(product))
    tree.write_text("Home > Lamps\n")
    files = ("--products", str(products), "--taxonomy", str(tree), "--out", str(tmp_path / "bundle"))
    result = CliRunner().invoke(main, ["fit", *files], color=True)
    assert result.exit_code == 1
    assert "\ufffd[2JHome" in result.stderr
    assert "\x1b[2J" not in result.stderr


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise InvalidBundle("damaged")

    monkeypatch.setattr(sample_command.command, "callback", fail)
    assert isinstance(CliRunner().invoke(main, ["--debug", "sample"]).exception, InvalidBundle)


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sample_command.command, "callback", interrupt)
    assert CliRunner().invoke(main, ["sample"]).exit_code == 130


def test_without_a_cluster_every_command_that_needs_one_says_how_to_name_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sample_bundle: Path
) -> None:
    monkeypatch.delenv("SHELFWISE_KAFKA__BOOTSTRAP_SERVERS", raising=False)
    file = tmp_path / "products.jsonl"
    file.write_bytes(b'{"product_id": "1", "title": "Cup"}')
    for arguments in (
        ["watch"],
        ["publish", str(file)],
        ["topics", "create"],
        ["dead-letters", "list"],
        ["dead-letters", "resend", "--all"],
        ["worker"],
        ["replay", "--from", "2026-01-31"],
        ["review", "--bundle", str(sample_bundle)],
        ["training-data", "--bundle", str(sample_bundle), "--out", str(tmp_path / "next.jsonl")],
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 3, arguments
        assert "--bootstrap-servers HOST:PORT" in result.stderr


def test_the_sample_is_written_in_forms_that_are_read_back(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["sample", "--out", str(tmp_path), "--products", "50", "--seed", "3"])
    assert result.exit_code == 0, result.output
    tree = read_taxonomy(tmp_path / "taxonomy.csv")
    rows = list(ProductFile(tmp_path / "products.jsonl"))
    assert len(rows) == 50
    assert all(tree.find_path(row.category_path) is not None for row in rows if row.category_path)


def test_checking_a_taxonomy_tells_its_figures_and_fails_on_one_that_is_no_tree(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.csv"
    good.write_text("Home\nHome > Cups\nHome > Lamps\n")
    bad.write_text("id,path\n1,Home\n1,Garden\n")
    result = CliRunner().invoke(main, ["taxonomy", "check", str(good), "--json"])
    assert (result.exit_code, json.loads(result.stdout)["leaves"]) == (0, 2)
    assert "a valid taxonomy" in CliRunner().invoke(main, ["taxonomy", "check", str(good)]).output
    result = CliRunner().invoke(main, ["taxonomy", "check", str(bad)])
    assert (result.exit_code, "not a valid taxonomy" in result.output) == (1, True)


def test_the_choices_of_formats_are_those_that_are_read() -> None:
    for path, name, formats in (
        (("taxonomy", "check"), "taxonomy_form", FORMATS),
        (("fit",), "taxonomy_form", FORMATS),
        (("publish",), "form", PRODUCT_FORMATS),
    ):
        (option,) = (item for item in command_at(path).params if item.name == name)
        assert isinstance(option.type, click.Choice)
        assert set(option.type.choices) == set(formats)


@pytest.mark.parametrize("arguments", [["classify"], ["classify", "-", "--title", "Cup"]])
def test_classify_wants_a_file_or_a_title(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments, input="")
    assert (result.exit_code, "give either FILE or" in result.output) == (2, True)


def test_classify_names_the_option_that_is_wrong(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["classify", "--title", "Cup", "--currency", "euro"])
    assert result.exit_code == 2
    assert "Error: --currency 'euro' does not fit" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--column", "foo=id"], "there is no column 'foo'"),
        (["--column", "title"], "has no '='"),
        (["--output", "out.txt"], "its name does not say what to write"),
    ],
)
def test_a_wrong_option_is_an_error_of_usage(sample_bundle: Path, arguments: list[str], said: str) -> None:
    file = ["-"] if "--column" in arguments else ["-", "--bundle", str(sample_bundle)]
    result = CliRunner().invoke(main, ["classify", *file, *arguments], input="")
    assert (result.exit_code, said in result.stderr) == (2, True)


@pytest.mark.parametrize("time", ["yesterday", "0001-01-01", ""])
def test_a_time_that_is_none_is_named_with_one_that_is(time: str) -> None:
    result = CliRunner().invoke(main, ["dead-letters", "list", "--since", time])
    assert result.exit_code == 2
    assert f"{time!r} is not a time such as 2026-01-31T08:00" in " ".join(result.output.split())


def test_a_separator_is_something(tmp_path: Path) -> None:
    (tmp_path / "tree.txt").write_text("Home > Lamps")
    arguments = ["--products", str(tmp_path / "tree.txt"), "--taxonomy", str(tmp_path / "tree.txt")]
    result = CliRunner().invoke(main, ["fit", *arguments, "--taxonomy-separator", ""])
    assert (result.exit_code, "it is empty" in result.stderr) == (2, True)


def test_fit_without_labels_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "products.jsonl"
    file.write_bytes(orjson.dumps({"product_id": "1", "title": "Cup"}))
    result = CliRunner().invoke(main, ["fit", "--products", str(file), "--out", str(tmp_path / "bundle")])
    assert (result.exit_code, "no product has a category_path" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("rows", "replaces", "status", "said"),
    [
        ([], False, 1, "holds no product that can be read"),
        ([{"product_id": "1", "title": "Cup"}], True, 1, "--column category_path=NAME, or keep the model in"),
        ([{"product_id": "1", "title": "Cup"}], False, 0, "1 products, none with a label"),
    ],
)
def test_a_fit_without_a_label_takes_no_good_bundles_place(
    tmp_path: Path, rows: list[dict[str, str]], replaces: bool, status: int, said: str
) -> None:
    (tmp_path / "products.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    (tmp_path / "tree.txt").write_text("Home > Lamps\nHome > Cups\n")
    if replaces:
        (tmp_path / "bundle").mkdir()
        (tmp_path / "bundle" / "manifest.json").write_text("{}")
    files = ["--products", str(tmp_path / "products.jsonl"), "--taxonomy", str(tmp_path / "tree.txt")]
    result = CliRunner().invoke(main, ["fit", *files, "--out", str(tmp_path / "bundle")])
    assert (result.exit_code, said in result.stderr) == (status, True), result.output


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    tree = tmp_path / "tree [new].txt"
    tree.write_text("Home > Lamps\nClothes > Shirts\n")
    result = _fit_two(tmp_path, "--taxonomy", str(tree))
    assert (result.exit_code, "tree [new]" in result.output) == (0, True), result.output


def test_training_data_does_not_overwrite_the_products_it_is_made_of(tmp_path: Path) -> None:
    file = tmp_path / "labelled.csv"
    file.write_text("product_id,title\n1,Cup\n")
    result = CliRunner().invoke(main, ["training-data", "--products", str(file), "--out", str(file)])
    assert (result.exit_code, "is --products itself; name another" in result.stderr) == (2, True)
    assert file.read_text() == "product_id,title\n1,Cup\n"


def _fit_two(tmp_path: Path, *options: str) -> Result:
    file = tmp_path / "products.jsonl"
    rows = [
        {"product_id": "1", "title": "Desk lamp", "category_path": ["Home", "Lamps"]},
        {"product_id": "2", "title": "Red shirt", "category_path": ["Clothes", "Shirts"]},
    ]
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    out = ["--out", str(tmp_path / "bundle")]
    return CliRunner().invoke(main, ["fit", "--products", str(file), *out, *options])


def test_two_products_that_share_no_word_make_a_bundle_and_fit_says_that_it_assigns_nothing(
    tmp_path: Path,
) -> None:
    result = _fit_two(tmp_path)
    assert (result.exit_code, "nothing will be assigned" in result.stderr) == (0, True)
    assert load_bundle(tmp_path / "bundle").ranking.policy.assign == NEVER


def test_what_fit_says_of_a_model_does_not_mix_with_its_figures_nor_get_lost_beside_json(tmp_path: Path) -> None:
    for options in ([], ["--json"]):
        result = _fit_two(tmp_path, *options)
        assert "nothing will be assigned" in result.stderr
        assert "the model bundle is in" in result.stderr
        assert "certain" not in result.stdout
    assert set(json.loads(result.stdout)) == {"manifest", "metrics"}


def test_fit_with_the_tree_of_another_file_replaces_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "tree.txt").write_text("Garden\nGarden > Hoses\n")
    result = _fit_two(tmp_path, "--taxonomy", str(tmp_path / "tree.txt"), "--skip-unknown-categories")
    assert (result.exit_code, "none of the 2 labels is a category of taxonomy tree" in result.stderr) == (1, True)
    assert list((tmp_path / "bundle").iterdir()) == []


_OF_NEW_STORES = "products of stores with fewer than 10 labelled products will go to review"
_OF_NEW_BRANDS = "products of brands without a labelled product will be backed off or go to review"


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"stores": ["Shop"]}, [_OF_NEW_STORES]),
        ({"brand": "Hearth"}, [_OF_NEW_BRANDS]),
        ({}, []),
    ],
)
def test_fit_says_of_which_new_stores_and_brands_nothing_will_be_assigned(
    tmp_path: Path, named: dict[str, Any], told: list[str]
) -> None:
    rows = [
        {"product_id": f"{kind} {number}", "title": f"{kind} {number}", "category_path": [kind], **named}
        for number in range(120)
        for kind in ("Lamps", "Vases")
    ]
    file = tmp_path / "products.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    result = CliRunner().invoke(main, ["fit", "--products", str(file), "--out", str(tmp_path / "bundle")])
    assert result.exit_code == 0, result.output
    assert [each for each in (_OF_NEW_STORES, _OF_NEW_BRANDS) if each in result.output] == told
