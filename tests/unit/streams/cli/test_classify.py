"""``shelfwise classify`` goes on only where its own decisions end, and says what is wrong with a name or value."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from schemas.events.position import SourcePosition
from streams.cli import main


class _Decision(msgspec.Struct):
    product_id: str
    source: SourcePosition


@pytest.fixture
def products(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(Path("products.jsonl"), range(12))


def write(path: Path, numbers: range) -> Path:
    rows = [{"product_id": f"p{number}", "title": f"Desk lamp {number}"} for number in numbers]
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path


def classify(bundle: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["classify", "--bundle", str(bundle), *map(str, arguments)])


def decisions(path: Path) -> list[_Decision]:
    return [msgspec.json.decode(line, type=_Decision) for line in path.read_bytes().splitlines()]


def test_an_output_that_was_cut_is_resumed_to_what_it_would_have_been(sample_bundle: Path, products: Path) -> None:
    output = Path("out.jsonl")
    assert classify(sample_bundle, products, "--output", output).exit_code == 0
    whole = output.read_bytes()
    for name in (products, products.resolve()):
        output.write_bytes(whole[:-2_000])
        result = classify(sample_bundle, name, "--output", output, "--resume")
        assert (result.exit_code, output.read_bytes()) == (0, whole), result.output
    again = classify(sample_bundle, products, "--output", output, "--resume")
    assert again.stderr == "classified 0 more products\n"


def test_a_script_reads_the_outcome_of_each_decision_that_people_read_the_count_of(
    sample_bundle: Path, products: Path
) -> None:
    from_file = classify(sample_bundle, products)
    outcomes = Counter(msgspec.json.decode(line)["outcome"] for line in from_file.stdout.splitlines())
    counted = ", ".join(f"{outcome.replace('_', ' ')} {count}" for outcome, count in outcomes.most_common())
    assert from_file.stderr == f"classified 12 products: {counted}\n"
    one = msgspec.json.decode(classify(sample_bundle, "--title", "Thing that nobody knows", "--json").stdout)
    assert one["outcome"] in {"assigned", "backed_off", "needs_review"}  # whatever the sample's model says of it
    assert ("reason" in one) == (one["outcome"] == "needs_review")


def test_an_output_is_not_resumed_where_the_file_has_other_products(sample_bundle: Path, products: Path) -> None:
    output = Path("out.jsonl")
    assert classify(sample_bundle, products, "--output", output).exit_code == 0
    with output.open("ab") as file:
        file.write(b'{"decision_id":')
    before = output.read_bytes()
    write(products, range(20, 40))
    result = classify(sample_bundle, products, "--output", output, "--resume")
    assert result.exit_code == 1
    assert "has product 'p31' on line 12, where the output's last decision is on 'p11'" in result.stderr
    assert output.read_bytes() == before


def test_a_file_of_something_else_is_never_touched(sample_bundle: Path, products: Path) -> None:
    for content in (b'{"a": 1}\n{"a": 2}', b'{"a": 1}'):
        Path("out.jsonl").write_bytes(content)
        result = classify(sample_bundle, products, "--output", "out.jsonl", "--resume")
        assert (result.exit_code, "name another output" in result.stderr) == (1, True)
        assert Path("out.jsonl").read_bytes() == content


@pytest.mark.parametrize("options", [[], ["--resume"]])
def test_the_input_is_no_output(tmp_path: Path, products: Path, options: list[str]) -> None:
    before = products.read_bytes()
    Path("link.jsonl").symlink_to(products)
    for name in ("products.jsonl", "link.jsonl"):
        result = classify(tmp_path / "bundle", products, "--output", name, *options)
        assert (result.exit_code, "is FILE itself" in result.stderr) == (2, True)
    assert products.read_bytes() == before


@pytest.mark.parametrize("name", ["products.jsonl/out.jsonl", "products.jsonl/out.parquet"])
def test_an_output_that_cannot_be_written_is_one_line(sample_bundle: Path, products: Path, name: str) -> None:
    result = classify(sample_bundle, products, "--output", name)
    assert result.exit_code == 1
    assert result.stderr == "error: products.jsonl: File exists; name an output that can be written\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("form", ["--json", "--text"])
def test_a_full_standard_output_is_one_line(sample_bundle: Path, products: Path, form: str) -> None:
    arguments = ["classify", "--bundle", str(sample_bundle), str(products.resolve()), form]
    command = [sys.executable, "-m", "streams.cli", *arguments]
    with Path("/dev/full").open("wb") as full:
        root = Path(__file__).parents[4]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=root, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: standard output: No space left on device; write to where there is room\n"


@pytest.mark.skipif(sys.platform == "darwin", reason="the names of all files are UTF-8")
def test_what_is_no_utf_8_in_the_name_of_a_file_is_replaced_in_decisions(
    sample_bundle: Path, products: Path
) -> None:
    odd = write(Path(os.fsdecode(b"odd\xff.jsonl")), range(3))
    assert classify(sample_bundle, odd, "--output", "out.jsonl").exit_code == 0
    assert {decision.source.topic for decision in decisions(Path("out.jsonl"))} == {"odd\ufffd.jsonl"}
    result = classify(sample_bundle, odd.resolve(), "--output", "out.jsonl", "--resume")
    assert (result.exit_code, len(decisions(Path("out.jsonl")))) == (0, 3)
    assert classify(sample_bundle, odd, "--text").exit_code == 0


@pytest.mark.parametrize(
    "option",
    ["title", "description", "brand", "store", "merchant-category", "affiliate-network", "affiliate-category"],
)
def test_what_is_no_utf_8_in_an_option_is_told_of(tmp_path: Path, option: str) -> None:
    title = [] if option == "title" else ["--title", "Cup"]
    result = classify(tmp_path, *title, f"--{option}", os.fsdecode(b"caf\xe9"))
    assert result.exit_code == 2
    assert result.stderr.endswith(f"--{option} 'caf\\udce9' is no UTF-8; give it as UTF-8\n")


@pytest.mark.parametrize("option", ["brand", "store", "affiliate-network", "affiliate-category"])
def test_a_value_that_is_too_long_is_shortened_and_named_by_its_option(tmp_path: Path, option: str) -> None:
    result = classify(tmp_path, "--title", "Cup", "--store", "Bright", f"--{option}", "x" * 600)
    assert result.exit_code == 2
    assert f"Error: --{option} 'xxx" in result.stderr
    assert "does not fit: Expected `str` of length <= 512" in result.stderr
    assert len(result.stderr.splitlines()[-1]) < 150


def test_too_many_stores_are_told_of(tmp_path: Path) -> None:
    stores = [word for number in range(101) for word in ("--store", f"s{number}")]
    result = classify(tmp_path, "--title", "Cup", *stores)
    assert "Error: --store ('s0', 's1'," in result.stderr
    assert "does not fit: Expected `array` of length <= 100" in result.stderr
