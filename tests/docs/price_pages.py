"""The worked example and the picture of each price model, made by running the code.

`python -m tests.docs.price_pages` writes them. An example is a price book with `examples`, at
`docs/reference/prices/examples/MODEL.toml`; the page keeps what stands before the worked example.
"""

from __future__ import annotations

import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Final

from catalog.price_book import parse_price_book
from catalog.price_examples import Outcome, check_example, parse_examples
from documents.price_plot import Mark, price_plot
from rating import Price
from rating.curve import interesting_quantity, round_up
from rating.explain import plain
from rating.prices import model_named
from tests.sources import ROOT

PAGES: Final = ROOT / "docs" / "reference" / "prices"
EXAMPLES: Final = PAGES / "examples"
PICTURES: Final = ROOT / "docs" / "images" / "prices"
HEADING: Final = "## Worked example\n"

_MADE: Final = "<!-- From here on made by `python -m tests.docs.price_pages`. -->"


def example_names() -> list[str]:
    """The models that have an example."""
    return sorted(path.stem for path in EXAMPLES.glob("*.toml"))


def picture(name: str) -> str:
    """The SVG of a model's example, with its first quantity marked."""
    price, outcomes = _example(name)
    marks = _marks(outcomes[0])
    ends = [round_up(each.quantity * Fraction(5, 4)) for each in marks]
    return price_plot(price, max([interesting_quantity(price), *ends]), marks)


def page(name: str) -> str:
    """The whole page of a model."""
    head, found, _ = (PAGES / f"{name}.md").read_text(encoding="utf-8").partition(HEADING)
    assert found, f"{name}.md: write {HEADING.strip()!r} where the example belongs"
    return head.removesuffix(f"{_MADE}\n\n") + "\n".join([_MADE, "", HEADING, *_worked(name), ""])


def _worked(name: str) -> list[str]:
    price, outcomes = _example(name)
    text = (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8")
    written = text.partition("[[examples]]")[0].strip()
    over = model_named(price.model).curve_over
    alt = f"What {price.price_id} cost over the {'quantity used' if over == 'quantity' else over}"
    shown = f"![{alt}](../../images/prices/{name}.svg)"
    file = f"[`examples/{name}.toml`](examples/{name}.toml)"
    commands = "`tollbook prices test` compares them, `tollbook prices plot` draws the picture"
    return [
        f"```toml\n{written}\n```\n",
        f"{shown}\n",
        "| used | exact amount | billed |\n|---|---|---|",
        *(
            f"| {_used(each)} | {each.exact} | {each.billed} {_currency(each)} |"
            for each in outcomes
        ),
        "",
        "How the first comes to its amount:\n",
        "```text",
        *outcomes[0].told,
        "```\n",
        f"{file} holds the price and these amounts: {commands}.",
    ]


def _example(name: str) -> tuple[Price, list[Outcome]]:
    document = tomllib.loads((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    prices = parse_price_book(document)
    outcomes = [check_example(each) for each in parse_examples(document, prices)]
    wrong = [each.example.path for each in outcomes if not each.passed]
    assert not wrong, f"{name}.toml: {wrong} fail: run `tollbook prices test`"
    return prices[0].price, outcomes


def _marks(outcome: Outcome) -> list[Mark]:
    example = outcome.example
    if [*map(set, example.used)] != [{"quantity"}] and not example.lines:
        return []
    place = Fraction(outcome.used_quantity), Fraction(outcome.exact)
    return [Mark(*place, f"{_number(plain(outcome.used_quantity))} costs {outcome.billed}")]


def _used(outcome: Outcome) -> str:
    used, events = outcome.example.used, outcome.example.events
    if lines := outcome.example.lines:
        return ", ".join(f"{_number(billed)} billed by `{key}`" for key, billed in lines.items())
    if events:
        values = ", ".join(_number(each.value) for each in events)
        return f"an event of {values}" if len(events) == 1 else f"events of {values}"
    if not used:
        return "nothing" if model_named(outcome.example.price.model).metered else "any"
    told: list[str] = []
    for row in used:
        group = ", ".join(value for name, value in row.items() if name != "quantity")
        told.append(" of ".join([_number(row["quantity"]), *([group] * bool(group))]))
    return "; ".join(told)


def _number(text: str) -> str:
    whole, point, part = text.partition(".")
    return f"{int(whole):,}{point}{part}"


def _currency(outcome: Outcome) -> str:
    return outcome.example.price.currency.code


def main() -> None:
    """Write every page and picture that has an example."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in example_names():
        _write(PAGES / f"{name}.md", page(name))
        _write(PICTURES / f"{name}.svg", picture(name))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
