"""Options that several commands have in common: declared once, each shown by every `--help`.

```python
@dataclass(frozen=True)
class Listening:
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1"

@app.command()
@grouped
def serve(listening: Listening) -> None: ...   # takes --host
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

Command = Callable[..., None]


def grouped(command: Command) -> Command:
    """`command`, called with the options of each parameter that is a dataclass of them."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    def call(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)})
            for name, group in groups.items()
        }
        command(**made, **given)

    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__module__ = command.__module__
    parameters = list(_parameters(command, hints))
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call


def _parameters(command: Command, hints: dict[str, Any]) -> Iterator[Parameter]:
    """The command's own, and in place of each group its fields."""
    for own in signature(command).parameters.values():
        hint = hints[own.name]
        if not is_dataclass(hint):
            yield Parameter(own.name, Parameter.KEYWORD_ONLY, default=own.default, annotation=hint)
            continue
        options = get_type_hints(hint, include_extras=True)
        for each in fields(hint):
            yield Parameter(
                each.name,
                Parameter.KEYWORD_ONLY,
                default=each.default,
                annotation=options[each.name],
            )
