"""Write one page per public module while the documentation is built, so that no page can drift from the code."""

from pathlib import Path

import mkdocs_gen_files

ROOT = Path(__file__).resolve().parents[1]

nav = mkdocs_gen_files.Nav()
for source in sorted((ROOT / "hsuanwu").rglob("*.py")):
    parts = source.relative_to(ROOT).with_suffix("").parts
    page = Path(*parts[1:]).with_suffix(".md")
    if parts[-1] == "__init__":
        parts, page = parts[:-1], page.with_name("index.md")
    if any(part.startswith("_") for part in parts):
        continue
    module = ".".join(parts)
    nav[parts] = page.as_posix()
    with mkdocs_gen_files.open(f"reference/{page.as_posix()}", "w") as file:
        file.write(f"# {module}\n\n::: {module}\n    options:\n      show_root_heading: false\n")
    mkdocs_gen_files.set_edit_path(f"reference/{page.as_posix()}", source.relative_to(ROOT).as_posix())

with mkdocs_gen_files.open("reference/SUMMARY.md", "w") as file:
    file.writelines(nav.build_literate_nav())
