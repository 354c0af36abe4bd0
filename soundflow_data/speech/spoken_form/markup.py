"""Takes away what is written but never spoken: Markdown, HTML, code, emoji; and makes characters uniform."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

# Full-width ASCII letters, digits and symbols; Chinese sentence punctuation stays as it is.
_FULL_WIDTH: Final = {
    code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code - 0xFEE0) not in "!\"'(),.:;?[]{}~"
}
_QUOTES: Final = {ord(quote): "'" for quote in "\u2018\u2019\u201b\u2032\u00b4`"} | {
    ord(quote): '"' for quote in "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
}
_SPACES: Final = {ord(space): " " for space in "\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t\v\f\r"}
_OTHER: Final = {0x2026: "...", 0x2212: "-", 0x2010: "-", 0x2011: "-", 0x2103: "°C", 0x2109: "°F", 0xFFE5: "¥"}
_SQUARED: Final = {ord("㎏"): "kg", ord("㎞"): "km", ord("㎝"): "cm", ord("㎜"): "mm", ord("㎡"): "m²", ord("㎥"): "m³"}
_LETTERLIKE: Final = _FULL_WIDTH | _SPACES | _OTHER | _SQUARED

_FENCED_CODE = re.compile(r"(?:```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z))", re.DOTALL)
_INLINE_CODE = re.compile(r"`([^`\n]*)`")
_PLAIN_CODE = re.compile(r"[^\W\d_]+(?: [^\W\d_]+)*")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]+)>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()\s]*(?:\s+\"[^\"]*\")?\)|\[[^\[\]]*\])")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]*\]:?")
_LINK_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s*\S+.*$", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![\w*])(\*\*\*|\*\*|\*|___|__|_|~~)(?=\S)(.+?)(?<=\S)\1(?![\w*])", re.DOTALL)
_RULE = re.compile(r"^\s*(?:[-*_=]\s*){3,}$")
_TABLE_RULE = re.compile(r"^\s*\|?(?:\s*:?-{2,}:?\s*\|)+\s*(?::?-{2,}:?\s*)?$")
_LINE_MARK = re.compile(r"^\s*(?:>\s*)*(?:#{1,6}\s+|[-*+•]\s+(?:\[[ xX]\]\s+)?|(?=\d{1,2}[.)]\s))")
_NUMBERED = re.compile(r"^(\d{1,2})[.)]\s+")
_SENTENCE_END = re.compile(r"[.!?:;,。！？：；，][\"'”’)]*$")


def strip_markup(text: str, stop: str, pause: str) -> str:
    """Returns the text on one line, without Markdown, HTML, code and characters that have no sound.

    Args:
        text: As written.
        stop: What ends a heading, list item or paragraph that has no punctuation of its own, such as ".".
        pause: What parts the number of a list item, or a table cell, from what follows, such as ",".
    """
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").translate(_LETTERLIKE)
    text = _FENCED_CODE.sub("\n\n", text)
    text = _INLINE_CODE.sub(lambda code: code[1] if _PLAIN_CODE.fullmatch(code[1]) else " ", text)
    text = _COMMENT.sub(" ", text)
    text = _AUTOLINK.sub(r"\1", text)
    text = html.unescape(_TAG.sub(" ", text)).translate(_LETTERLIKE)
    text = _LINK_DEFINITION.sub("", text)
    text = _FOOTNOTE.sub("", text)
    text = _IMAGE_OR_LINK.sub(r"\1", text)
    text = _lines(text, stop, pause)
    text = _emphasis(text).translate(_QUOTES)
    if not text.isascii():
        text = "".join([_uniform(one) for one in text])
    return text


def _uniform(character: str) -> str:
    """Returns a character, a digit of any script as ASCII, and nothing for pictures and characters without sound."""
    if character < "\u0250":
        return character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    # Pictures, format and private characters, variation selectors and lone surrogates.
    silent = category in {"So", "Sk", "Cf", "Cn", "Co", "Cs", "Me"} or "\ufe00" <= character <= "\ufe0f"
    return "" if silent else character


def _lines(text: str, stop: str, pause: str) -> str:
    blocks: list[str] = []
    open_paragraph = False
    for line in text.split("\n"):
        if not line.strip() or _RULE.match(line) or _TABLE_RULE.match(line):
            open_paragraph = False
            continue
        mark = _LINE_MARK.match(line)
        marked = bool(mark and mark.group().strip()) or bool(mark and _NUMBERED.match(line[mark.end() :]))
        content = line[mark.end() :] if mark else line
        content = _NUMBERED.sub(rf"\1{pause} ", content) if marked else content
        if "|" in content:
            content = f"{pause} ".join(cell.strip() for cell in content.strip().strip("|").split("|"))
        content = content.strip()
        if open_paragraph and not marked:
            blocks[-1] += " " + content
        elif content:
            blocks.append(content)
        # A heading or list item ends with its line; a paragraph goes on.
        open_paragraph = bool(blocks) and not (mark and mark.group().lstrip(" >").startswith("#"))
    if len(blocks) < 2:
        return "".join(blocks)
    return " ".join(block if _SENTENCE_END.search(block) else block + stop for block in blocks)


def _emphasis(text: str) -> str:
    while True:
        plain = _EMPHASIS.sub(r"\2", text)
        if plain == text:
            return text
        text = plain
