"""The site of the documents: `make docs` builds it, and the program serves it under /docs."""

from __future__ import annotations

from dashboard.version import __version__

project = "spike-dashboard"
author = copyright = "spike-dashboard contributors"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images", "_static"]
default_role = "literal"  # docstrings quote names as in Markdown
myst_heading_anchors = 3
autodoc_typehints = "none"  # types stand in the sections of the docstrings
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "spike-dashboard"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_use_index = False
html_domain_indices = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
