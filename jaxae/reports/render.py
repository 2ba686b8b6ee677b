"""A page as HTML: one file without requests to any host."""

import datetime
import importlib.metadata

from jaxae.reports import scripts
from jaxae.reports.blocks import Page, RunTable
from jaxae.runs.directory import finite


def html(page: Page) -> str:
    """Return a page as HTML.

    All texts are escaped by the template engine. The page's content security policy allows only the scripts
    that jaxae has written into it, and no request at all. So a text that looks like HTML stays a text.

    Args:
        page: The page.

    Returns:
        The content of the file.

    Raises:
        JaxaeError: If a package is not installed.
    """
    assets = scripts.assets()
    import jinja2

    # Autoescape: names, notes and labels are texts of users, and may look like HTML.
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    # JSON has no nan; a number that is not finite is null by now.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "ensure_ascii": True}
    # A link to an empty section would lead nowhere.
    sections = [section for section in page.sections if section.blocks]
    has_table = any(isinstance(block, RunTable) for section in sections for block in section.blocks)
    vega, script, tables, css, tables_css = map(
        scripts.as_source, (assets.vega, assets.script, assets.tables, assets.css, assets.tables_css)
    )
    # `'unsafe-eval'`: Vega compiles the expressions of charts, which are jaxae's own. `blob:`: the module of
    # tables, which a module of the same page imports.
    policy = (
        f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; base-uri 'none'; "
        f"form-action 'none'; script-src {scripts.digest(vega)} {scripts.digest(script)} blob: 'unsafe-eval'"
    )
    return environment.from_string(scripts.own("page.html")).render(
        page=page,
        sections=sections,
        data=finite({name: list(rows) for name, rows in page.data.items() if rows}),
        policy=policy,
        vega=vega,
        script=script,
        css=css,
        tables=tables if has_table else "",
        tables_css=tables_css if has_table else "",
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=importlib.metadata.version("jaxae"),
    )
