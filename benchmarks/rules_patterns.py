"""Texts that regular expressions of public rules match."""

import re


def matching_texts(pattern: str) -> list[str]:
    """Give texts that a simple regular expression may match; the caller has to try them."""
    text = re.sub(r"\(\?[a-z]*:?\)?", "(", pattern) if "(?" in pattern else pattern
    if text.count("(") != text.count(")"):
        text = text.replace("(", "", text.count("(") - text.count(")"))
    for _ in range(text.count("(")):
        text = re.sub(r"\(([^()|]*)(\|[^()]*)?\)", r"\1", text)
    found = []
    for part in text.split("|"):
        plain = re.sub(r"\[(.)[^]]*\]", r"\1", part.strip("^$"))
        plain = re.sub(r"(?<!\\)\.\*", "", plain)
        plain = re.sub(r"(?<!\\)\.\+?", "0", plain)
        found.append(plain.replace("\\", ""))
    return found
