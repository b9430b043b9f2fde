"""The site, in English and (with `-D language=zh_CN`, from the folder zh) in Chinese."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE)]  # the extensions, and the package `figures`

import pyautograd  # noqa: E402

project = "pyautograd"
release = version = pyautograd.__version__
copyright = "the authors of pyautograd"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "docstrings",
    "languages",
    "mathml",
    "picture",
    "public",
    "torch_names",
]
language = "en"
exclude_patterns = ["zh", "_*", "figures", "inside/accuracy_*.md"]
templates_path = [str(HERE / "_templates")]

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "pyautograd"
html_static_path = [str(HERE / "_static")]
html_css_files = ["site.css"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # they would be fetched, which pages opened as files may not
html_theme_options = {"navigation_with_keys": True}
