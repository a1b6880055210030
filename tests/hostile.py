"""Names that bite: as people who mean harm, or have an odd folder, write subjects, probes, columns and comments."""

from __future__ import annotations

CODE = "BITTEN.append(1)"
"""What runs where a name becomes code: the test gives the list ``BITTEN``."""

PYTHON = (
    f"x'); {CODE}; ('",
    f'x"); {CODE}; ("',
    f"x\n{CODE}\n#",
    f"x\r{CODE}\r#",
    f"x\\'); {CODE}; ('",
    f"'''\n{CODE}\n'''",
    f"{{{CODE}}}",
    f"x']) or {CODE} or (['",
    f'x"]) or {CODE} or (["',
    f"x\u2028{CODE}\u0085{CODE}\x0c{CODE}",
    f"\u202e{CODE}",
    "x\\",
    "x\x00y",
)

FORMULAS = (
    '=HYPERLINK("http://evil.example","a")', "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "\uff1d1+1",
    "=cmd|'/c calc'!A1", "-",
)  # fmt: skip

MARKUP = (
    "<script>BITTEN=1</script>",
    '"><img src=x onerror=BITTEN=1>',
    "'><svg/onload=BITTEN=1>",
    "</script><script>BITTEN=1</script>",
    "]]><script>BITTEN=1</script>",
    "<!--<script>BITTEN=1",
    "javascript:BITTEN=1",
    "{{7*7}}${7*7}<%= 7*7 %>",
)
