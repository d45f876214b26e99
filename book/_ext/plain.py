"""A page's MyST text as plain Markdown: what Jupyter, Colab and VS Code render without a plugin.

Directives become bold titles, quotations and ``<details>``; roles become the text or the link that
they stand for. A directive or a role that is not known here is an error: nothing is left raw.
"""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grades
import yaml

# Stands around code that becomes a cell of its own; no text of a page has it.
CELL = "\x00"

# fmt: off
PROVED = (
    "theorem", "lemma", "proposition", "corollary", "definition", "axiom", "remark", "conjecture",
    "criterion", "observation", "example", "property", "algorithm", "assumption",
)
NOTES = (
    "note", "tip", "hint", "important", "warning", "caution", "attention", "danger", "error",
    "seealso",
)
REFERENCES = (
    "doc", "ref", "numref", "eq", "term", "prf:ref", "cite:t", "cite:p", "cite:author", "cite:year",
)
# fmt: on
GLUED = ("glue:", "glue:text", "glue:md")

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}|:{3,})(?P<info>.*)$")
DIRECTIVE = re.compile(r"\{(?P<name>[^}\s]+)\}\s*(?P<argument>.*)")
DISPLAY = re.compile(r"\$\$(?P<tex>.+?)\$\$(?:[ ]*\((?P<label>[\w:-]+)\))?", re.DOTALL)
INLINE = re.compile(
    r"(?:\{(?P<role>[\w:+.-]+)\})?(?<!`)(?P<ticks>`+)(?!`)(?P<content>.+?)(?<!`)(?P=ticks)(?!`)"
    rf"|{DISPLAY.pattern}"
    r"|(?<![\\$])\$(?![\s$])(?P<math>[^$]+?)(?<![\s\\])\$(?!\d)"
    r"|(?P<image>!?)\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL,
)


@dataclass
class Page:
    """What a page's text refers to.

    Attributes:
        refer: role and content -> the text that it stands for, and where it leads, if anywhere;
            ``ValueError`` for one that leads nowhere.
        link: target of a Markdown link -> the same for a notebook, or None where there is none.
        image: path of a picture -> its MIME type and its content in base 64.
        glued: name -> what the page computed for its text, by MIME type.
        solutions: ``"folded"``, ``"cut"`` (and a cell to answer in after each exercise) or
            ``"open"`` (and their code in cells).
        bibliography: the entries of all publications, as Markdown.
        attached: name of a picture that the text shows -> content, by MIME type.
    """

    refer: Callable[[str, str], tuple[str, str | None]]
    link: Callable[[str], str | None]
    image: Callable[[str], tuple[str, str]]
    glued: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    solutions: str = "folded"
    bibliography: Callable[[], list[str]] = list
    attached: dict[str, dict[str, str]] = field(default_factory=dict)

    def attach(self, path: str) -> str:
        """Take a picture along; returns the address by which a cell's text shows it."""
        name = path.rpartition("/")[2]
        kind, content = self.image(path)
        self.attached[name] = {kind: content}
        return f"attachment:{name}"

    def attach_glued(self, name: str) -> str:
        """The same for a picture that the page computed."""
        picture = self.glued.get(name, {}).get("image/png")
        if picture is None:
            raise ValueError(f"no picture is glued as {name!r}")
        self.attached[f"{name}.png"] = {"image/png": picture}
        return f"attachment:{name}.png"


def markdown(text: str, page: Page) -> str:
    """Plain Markdown for MyST text; code that shall be a cell stands between two ``CELL``.

    Raises:
        ValueError: a directive or role that is not known, or one that leads nowhere.
    """
    done, plain, lines = [], [], text.splitlines()

    def flush() -> None:
        done.append(_prose("\n".join(plain), page))
        plain.clear()

    at = 0
    while at < len(lines):
        line = lines[at]
        if found := FENCE.match(line):
            end = _closing(lines, at, found["fence"])
            body = lines[at + 1 : end]
            flush()
            done.append(_fenced(found, body, lines[at : end + 1], page))
            at = end
        elif not (line.startswith("%") or re.fullmatch(r"\([\w:-]+\)=\s*", line)):
            plain.append(line)
        at += 1
    flush()
    return "\n\n".join(piece.strip("\n") for piece in done if piece.strip())


def _closing(lines: list[str], start: int, fence: str) -> int:
    for at in range(start + 1, len(lines)):
        line = lines[at].strip()
        if len(line) >= len(fence) and set(line) == {fence[0]}:
            return at
    raise ValueError(f"a block is not closed: {lines[start]!r}")


def _fenced(found: re.Match, body: list[str], whole: list[str], page: Page) -> str:
    directive = DIRECTIVE.fullmatch(found["info"].strip())
    if directive is None:
        if found["fence"][0] == ":":
            raise ValueError(f"not a directive: {found[0]!r}")
        return "\n".join(whole)  # code that is shown
    indent = found["indent"]
    options, content = _options([line.removeprefix(indent) for line in body])
    made = _directive(directive["name"], directive["argument"], options, content, page)
    return "\n".join(indent + line if line else line for line in made.splitlines())


def _options(lines: list[str]) -> tuple[dict[str, Any], str]:
    """The options of a directive, as lines ``:key: value`` or as YAML, and what follows."""
    if lines and lines[0].strip() == "---":
        end = lines.index("---", 1)
        return yaml.safe_load("\n".join(lines[1:end])) or {}, "\n".join(lines[end + 1 :])
    options = {}
    while lines and (found := re.fullmatch(r":([\w-]+):\s*(.*)", lines[0])):
        options[found[1]] = found[2]
        lines = lines[1:]
    return options, "\n".join(lines)


def _directive(name: str, argument: str, options: dict, body: str, page: Page) -> str:
    if name in GLUED:
        return _glued(argument, page)
    if name in ("code", "code-block", "sourcecode"):
        return f"```{argument}\n{body}\n```"
    if name == "math":
        return _display(body, options.get("label"), page)
    if name == "bibliography":
        return "\n".join(f"* {entry}" for entry in page.bibliography())
    if name == "solution" and page.solutions == "cut":
        return ""
    title = _prose(argument, page)
    if name in NOTES:  # what stands beside the name is text, too
        return _note(name.capitalize(), markdown(f"{argument}\n{body}", page), options)
    if name == "glossary":
        return "\n".join(
            re.sub(r"^\s*:?\s*", "", line) if line[:1].isspace() else f"\n**{line}**\n"
            for line in body.splitlines()
        )
    if name in ("figure", "image"):
        return _figure(page.attach(argument), options, body, page)
    if name == "glue:figure":
        return _figure(page.attach_glued(argument), options, body, page)
    content = markdown(body, page)
    kind, _, proved = name.partition(":")
    if kind == "prf" and proved in PROVED:
        return quoted(
            f"**{_numbered(proved.capitalize(), 'prf:ref', title, options, page)}** {content}"
        )
    if name == "prf:proof":
        return quoted(f"*Proof.* {content}")
    if name == "exercise":
        answer = f"\n{CELL}# Your solution\n{CELL}" if page.solutions == "cut" else ""
        head = _numbered("Exercise", "ref", grades.graded(title), options, page)
        return quoted(f"**{head}** {content}") + answer
    if name == "exercises":
        return markdown(grades.table(), page)
    if name == "solution":
        return _solution(f"Solution to {page.refer('ref', argument)[0]}", content, page)
    if name == "dropdown":
        return folded(title, content, is_open="open" in options)
    if name == "admonition":
        return _note(title, content, options)
    if name == "table":
        number = page.refer("numref", options["name"])[0] if "name" in options else "Table"
        return f"**{number}.** {title}\n\n{content}"
    if name == "eval-rst" and body.strip().startswith(".. public:: "):
        return f"`help({body.split()[-1]})` in a cell shows what stands here."
    if name in ("grid", "tab-set"):
        return content
    if name in ("grid-item-card", "card", "tab-item"):
        return f"**{title}**\n\n{content}"
    raise ValueError(f"a directive that no notebook can show: {{{name}}}")


def _numbered(kind: str, role: str, title: str, options: dict, page: Page) -> str:
    number = kind
    if "label" in options and "nonumber" not in options:
        number = page.refer(role, options["label"])[0]
    return f"{number} ({title})." if title else f"{number}."


def _note(title: str, content: str, options: dict) -> str:
    if "dropdown" in options.get("class", "").split():
        return folded(title, content)
    return quoted(f"**{title}**\n\n{content}")


def _solution(title: str, content: str, page: Page) -> str:
    if page.solutions == "folded":
        return folded(title, content)
    cells = re.sub(r"^```python\n(.*?)^```$", rf"{CELL}\1{CELL}", content, flags=re.M | re.S)
    return f"**{title}.** {cells}"


def _figure(address: str, options: dict, caption: str, page: Page) -> str:
    image = f"![{options.get('alt', '')}]({address})"
    if not caption.strip():
        return image
    return f"{image}\n\n{captioned(options.get('name'), caption, page)}"


def captioned(name: str | None, caption: str, page: Page) -> str:
    """The caption of a figure, with its number."""
    number = page.refer("numref", name)[0] if name else "Figure"
    return f"**{number}.** {_prose(caption.strip(), page)}"


def quoted(text: str) -> str:
    """A quotation. Mathematics goes into one line, or its later lines would begin with ``>``."""
    text = DISPLAY.sub(lambda m: m[0].replace("\n", " "), text)
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def folded(title: str, content: str, is_open: bool = False) -> str:
    """Text below a title that opens it; a title knows no Markdown, but mathematics."""
    parts = re.split(r"(\$.+?\$)", title)
    parts[::2] = [re.sub(r"[*`]", "", part) for part in parts[::2]]
    shown = html.escape("".join(parts), quote=False)
    start = "<details open>" if is_open else "<details>"
    return f"{start}\n<summary><b>{shown}</b></summary>\n\n{content.strip()}\n\n</details>"


def _glued(name: str, page: Page) -> str:
    """What the page computed, as text, Markdown or HTML; alone, its MIME types are in order."""
    name, _, form = name.strip().partition(":")
    if name not in page.glued:
        raise ValueError(f"nothing is glued as {name!r}")
    data = page.glued[name]
    if "text/markdown" in data:
        return markdown(data["text/markdown"], page)
    if "text/html" in data:
        lean = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
        return "\n".join(line.strip() for line in lean.splitlines() if line.strip())
    text = data["text/plain"]
    if form:
        return format(float(text), form)
    quoted_text = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted_text else text


def _prose(text: str, page: Page) -> str:
    def replace(found: re.Match) -> str:
        if found["tex"]:
            return _display(found["tex"], found["label"], page)
        if found["target"]:
            return _linked(found, page)
        if found["role"]:
            return _role(found["role"], found["content"], page)
        return found[0]  # mathematics or code

    return INLINE.sub(replace, text)


def _role(role: str, content: str, page: Page) -> str:
    if role in GLUED:
        return _glued(content, page)
    if role in REFERENCES:
        text, link = page.refer(role, content)
        return f"[{text}]({link})" if link else text
    if role == "math":
        return f"${content}$"
    if role == "py:obj":  # of the reference, where `~a.b` is short for b
        return f"`{content.rpartition('.')[2] if content[0] == '~' else content}`"
    raise ValueError(f"a role that no notebook can show: {{{role}}}`{content}`")


def _linked(found: re.Match, page: Page) -> str:
    text = _prose(found["text"], page)
    if found["image"]:
        return f"![{text}]({page.attach(found['target'])})"
    target = page.link(found["target"])
    return f"[{text}]({target})" if target else text


def _display(tex: str, label: str | None, page: Page) -> str:
    tag = rf" \tag{{{page.refer('eq', label)[0].strip('()')}}}" if label else ""
    return f"$${tex}{tag}$$"
