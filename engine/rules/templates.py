"""Templates of alert labels and annotations: the part of Go's `text/template` that rules use.

Supported are the variables `$labels`, `$externalLabels` (always empty) and `$value`, the fields
`.Labels`, `.ExternalLabels` and `.Value`, text, numbers and booleans, pipelines, parentheses,
comments, trim markers, and the functions of `template_functions.py`. All else is refused by name
when a template is parsed, and so are wrong types, which Go finds only when it runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.rules.go_format import print_value
from engine.rules.template_nodes import ExpansionError, Node
from engine.rules.template_parser import parse_action
from engine.rules.template_tokens import split_template


@dataclass(frozen=True)
class Template:
    """A parsed template; two of the same text are equal.

    Attributes
    ----------
    text : str
        As written in the rule file.
    uses_value : bool
        Whether the text can change with the alert's value.
    """

    text: str
    alert: str = ""
    parts: tuple[str | Node, ...] = field(default=(), compare=False, repr=False)
    uses_value: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, *, alert: str = "") -> "Template":
        """Parse a template.

        Parameters
        ----------
        text : str
            The template.
        alert : str
            The alert's name, which error texts hold.

        Raises
        ------
        ValueError
            If it isn't a template or uses what isn't supported; the message names it.
        """
        parts: list[str | Node] = []
        uses_value = False
        for piece in split_template(text):
            if isinstance(piece, str):
                parts.append(piece)
                continue
            node, looks_at_value = parse_action(piece, text)
            parts.append(node)
            uses_value = uses_value or looks_at_value
        return cls(text, alert, tuple(part for part in parts if part != ""), uses_value)

    def expand(self, labels: Mapping[str, str], value: float) -> str:
        """Fill the template in.

        Parameters
        ----------
        labels : mapping of str to str
            The labels of the expression's result, with ``__name__`` if it has one.
        value : float
            The expression's value.

        Returns
        -------
        str
            The text; if a function fails, ``<error expanding template: ...>`` as in Prometheus.
        """
        try:
            return "".join(
                part if isinstance(part, str) else print_value(part.evaluate(labels, value))
                for part in self.parts
            )
        except ExpansionError as error:
            name = f"__alert_{self.alert}"
            return (
                f"<error expanding template: error executing template {name}: "
                f'template: {name}:{error.location}: executing "{name}" at <{error.context}>: '
                f"{error.reason}>"
            )
