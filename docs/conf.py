"""How the documentation is built: Markdown in, strictly checked HTML out, no foreign asset."""

project = "MedPerf"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "MedPerf"
suppress_warnings = ["misc.highlighting_failure"]
