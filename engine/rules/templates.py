"""Templates of alert labels and annotations: Go's `text/template` as Prometheus extends it.

Control structures, variables and functions work as there, and so do error texts. Refused by name
when a template is parsed are `query`, since a template sees one alert, templates inside of
templates, and a few functions without use here (`template_functions.REFUSED`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from engine.rules.template_execution import Execution, ExpansionError
from engine.rules.template_nodes import Statement
from engine.rules.template_parser import parse_template
from engine.rules.template_uses import uses_value
from engine.rules.template_values import AlertData

# Prometheus puts these definitions before the text; they shift the columns in Go's errors.
_PREAMBLE = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)


@dataclass(frozen=True)
class External:
    """What templates know of the installation that they run in.

    Attributes
    ----------
    labels : mapping of str to str
        `$externalLabels`.
    url : str
        `$externalURL`: where this installation's pages are, without a slash at the end.
    """

    labels: Mapping[str, str]
    url: str


NO_EXTERNAL = External(MappingProxyType({}), "")


@dataclass(frozen=True)
class Template:
    """A parsed template; two of the same text are equal.

    Attributes
    ----------
    text : str
        As written in the rule file.
    alert : str
        The alert's name, which error texts hold.
    statements : tuple of Statement
        The parsed text.
    uses_value : bool
        Whether the text can change with the alert's value.
    """

    text: str
    alert: str = ""
    statements: tuple[Statement, ...] = field(default=(), compare=False, repr=False)
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
        statements = parse_template(text)
        return cls(text, alert, statements, uses_value(statements))

    def expand(
        self, labels: Mapping[str, str], value: float, *, external: External = NO_EXTERNAL
    ) -> str:
        """Fill the template in.

        Parameters
        ----------
        labels : mapping of str to str
            The labels of the expression's result, with ``__name__`` if it has one.
        value : float
            The expression's value.
        external : External
            The labels and the URL of the whole installation.

        Returns
        -------
        str
            The text; if a function fails, ``<error expanding template: ...>`` as in Prometheus.
        """
        data = AlertData(labels, external.labels, external.url, value)
        try:
            return Execution(data).run(self.statements)
        except ExpansionError as error:
            name = f"__alert_{self.alert}"
            return (
                f"<error expanding template: error executing template {name}: template: {name}:"
                f'{self._location(error.position)}: executing "{name}" at <{error.context}>: '
                f"{error}>"
            )

    def _location(self, position: int) -> str:
        """Give line and column as Go counts them, in bytes."""
        before = _PREAMBLE + self.text[:position]
        column = len(before[before.rfind("\n") + 1 :].encode())
        return f"{before.count(chr(10)) + 1}:{column}"
