"""The explorer's page, built with NiceGUI for each visitor: a decoded image and its controls.

A change of any control moves one code; the image, the sliders and the map follow it.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from nicegui import events, ui

from jaxae.errors import JaxaeError
from jaxae.explorer.space import Space, Way
from jaxae.explorer.token_space import TokenSpace
from jaxae.reports.blocks import png_url
from jaxae.reports.codes import png

MOST_SLIDERS = 12
SIDE = 320  # pixels of the decoded image on the page, at most
SHARE = 40  # per cent of the window's width that it takes, at most
COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#994f00",
    "#7f7f7f",
    "#006cd1",
    "#40b0a6",
)
# Places on the map, of the pointer while its button is pressed: 0 to 1 from the left and from the top.
POINTER = """(event) => {
  const map = event.target.closest('[role=application]'), box = map.getBoundingClientRect();
  if (event.type === 'pointerdown') {
    // A click that has ended already has no pointer to follow.
    try { map.setPointerCapture(event.pointerId); } catch { return; }
  }
  if (event.buttons & 1) emit((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}"""
ARROWS = """(event) => {
  const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
  if (step) { event.preventDefault(); emit(step[0], step[1]); }
}"""
STEP = 0.02  # of the map's width for each press of an arrow key


class Picture:
    """An image of the page that is replaced in place."""

    def __init__(self, space: Any, text: str, span: tuple[float, float], side: int = SIDE) -> None:
        """Add the image to the page.

        Args:
            space: Anything with the `shape` of an image.
            text: Description of the image, for readers without sight.
            span: The values that are shown as black and white.
            side: Pixels of its longer side on the page.
        """
        self.span = span
        height, width, _ = space.shape
        scale = side / max(height, width)
        self.element = ui.element("img")
        self.element.props["alt"] = text
        # On a phone, the image and the map must be on the screen at the same time.
        widths = f"{round(width * scale)}px, {SHARE * side / SIDE:.0f}vw"
        self.element.style(f"width: min({widths}); image-rendering: pixelated")

    def show(self, image: np.ndarray) -> None:
        """Show another image [H, W, C]."""
        self.element.props["src"] = png_url(png(image, self.span))


class CodePage:
    """The page of a run with codes, for one visitor."""

    def __init__(self, space: Space) -> None:
        """Build the page.

        Args:
            space: The codes and the decoder.
        """
        self.space = space
        self.span = space.result.run.dataset.display_range
        self.code = space.codes[0].astype(np.float64)
        self.label = 0 if space.labels is None else int(space.labels[0])
        self.sliders: dict[int, Any] = {}
        self.seed = 0
        self.is_moving = False  # the sliders follow the code and must not move it
        self.cursor: Any = None  # on the map, if there is one
        self.plane = self._first_plane()
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.card().classes("items-center").style("position: sticky; top: .5rem; z-index: 2"):
                self._add_output()
            with ui.column().classes("grow").style("min-width: min(100%, 22rem)"):
                self._add_controls()
        self.move(self.code)

    def _add_output(self) -> None:
        # Whether the decoder has one is the same for all codes.
        has_std = self.space.decode(self.code, self.label).std is not None
        self.spread: Picture | None = None
        with ui.row().classes("items-end"):
            self.picture = Picture(self.space, "decoded image", self.span)
            if has_std:
                with ui.column().classes("items-center gap-1"):
                    ui.label("standard deviation").classes("text-xs")
                    text = "standard deviation of each pixel"
                    self.spread = Picture(self.space, text, (0.0, 1.0), SIDE // 2)
        self.where = ui.label().classes("text-sm opacity-80").props("aria-live=polite")
        if self.space.num_labels:
            names = {label: self.space.name(label) for label in range(self.space.num_labels)}
            ui.select(names, value=self.label, label="label", on_change=self._set_label).classes("w-full")
        with ui.row():
            last = len(self.space.codes) - 1
            ui.number("row", value=0, min=0, max=last, precision=0, on_change=self._to_row)
            ui.button("from the prior", on_click=self._draw).set_enabled(self.space.drawn(0) is not None)

    def _add_controls(self) -> None:
        with ui.tabs().classes("w-full") as tabs:
            names = ["dimensions", "map", "between two rows"]
            names += ["attributes"] if self.space.attributes else []
            made = {name: ui.tab(name) for name in names}
        # keep-alive: a hidden slider must follow the code too.
        with (
            ui.tab_panels(tabs, value=made["dimensions"], animated=False)
            .props("keep-alive")
            .classes("w-full")
        ):
            for name, build in (
                ("dimensions", self._add_sliders),
                ("map", self._add_map),
                ("between two rows", self._add_path),
                ("attributes", self._add_attributes),
            ):
                if name in made:
                    with ui.tab_panel(made[name]):
                        build()

    def _add_sliders(self) -> None:
        rates = self.space.rates
        order = "their rate" if rates is not None else "the variance of their codes"
        num = min(MOST_SLIDERS, len(self.space.order))
        ui.label(f"{num} of {len(self.space.order)} dimensions, in the order of {order}").classes("text-sm")
        for dimension in self.space.order[:num]:
            low, high = self.space.reach(dimension)
            rate = "" if rates is None else f"{rates[dimension]:.2f} nats"
            with ui.row().classes("w-full items-center no-wrap gap-3"):
                ui.label(f"z{dimension + 1}").classes("w-8")
                slider = ui.slider(
                    min=low,
                    max=high,
                    step=(high - low) / 200,
                    value=float(self.code[dimension]),
                    on_change=functools.partial(self._slide, dimension),
                ).classes("grow")
                slider.props(f'aria-label="dimension {dimension + 1}" label')
                ui.label(rate).classes("w-20 text-sm text-right")
            self.sliders[dimension] = slider

    def _add_map(self) -> None:
        num = self.space.codes.shape[1]
        if num < 2:
            # A plane needs two dimensions.
            ui.label("The code has one dimension: the slider shows all of it.")
            return
        ui.label("Drag over the map, or press the arrow keys.").classes("text-sm")
        self.map = ui.element("div").props('tabindex=0 role=application aria-label="map of the codes"')
        self.map.style(
            "position: relative; width: min(100%, 26rem); aspect-ratio: 1; touch-action: none; "
            "cursor: crosshair; border: 1px solid currentColor; border-radius: 6px; overflow: hidden"
        )
        with self.map:
            self.dots = ui.html(self._dots(), sanitize=False).style("position: absolute; inset: 0")
            self.cursor = ui.element("div").style(
                "position: absolute; width: 16px; height: 16px; margin: -8px; border: 3px solid red; "
                "border-radius: 50%; pointer-events: none"
            )
        # Pointer events are those of a mouse, a pen and a finger; 0.02 s is more often than a screen shows.
        for event in ("pointerdown", "pointermove"):
            self.map.on(event, self._drag, js_handler=POINTER, throttle=0.02)
        self.map.on("keydown", self._step, js_handler=ARROWS, throttle=0.02)
        self._add_legend()
        if num > 2:
            ui.label("The map is the plane through the codes of three rows:").classes("text-sm")
            with ui.row():
                last = len(self.space.codes) - 1
                self.corners = [
                    ui.number(
                        f"row {name}", value=row, min=0, max=last, precision=0, on_change=self._set_plane
                    )
                    for name, row in zip("abc", self.corner_rows, strict=True)
                ]

    def _add_legend(self) -> None:
        if self.space.labels is None or len(np.unique(self.space.labels)) > len(COLOURS):
            return
        with ui.row().classes("gap-3 text-sm"):
            for label in np.unique(self.space.labels):
                with ui.row().classes("gap-1 no-wrap items-center"):
                    ui.label("●").style(f"color: {_colour(label)}").props("aria-hidden=true")
                    ui.label(self.space.name(int(label)))

    def _add_path(self) -> None:
        last = len(self.space.codes) - 1
        changed: dict[str, Any] = {"on_change": self._to_path}
        with ui.row():
            self.ends = [
                ui.number(name, value=row, min=0, max=last, precision=0, **changed)
                for name, row in (("from row", 0), ("to row", min(1, last)))
            ]
        self.share = ui.slider(min=0, max=1, step=0.01, value=0, **changed).props(
            'aria-label="share of the way" label'
        )
        self.way = ui.toggle({"line": "by a line", "arc": "by an arc"}, value="line", **changed)
        ui.label("An arc keeps the length of a code, which is typical for draws of N(0, I).").classes(
            "text-sm"
        )

    def _add_attributes(self) -> None:
        ui.label("Move the code by the mean code of a label minus that of all other rows.").classes("text-sm")
        names = {label: self.space.name(label) for label in self.space.attributes}
        with ui.row().classes("w-full items-center"):
            self.attribute = ui.select(names, value=next(iter(names)), label="label").classes("w-40")
            for text, sign in (("less", -0.25), ("more", 0.25)):
                ui.button(text, on_click=functools.partial(self._add_attribute, sign))

    def move(self, code: np.ndarray) -> None:
        """Show another code [L], in all parts of the page."""
        self.code = np.asarray(code, np.float64)
        decoded = self.space.decode(self.code, self.label)
        self.picture.show(decoded.image)
        if self.spread is not None and decoded.std is not None:
            self.spread.span = (0.0, float(decoded.std.max()) or 1.0)
            self.spread.show(decoded.std)
        # A slider that is set reports a change, as if the visitor had moved it.
        self.is_moving = True
        for dimension, slider in self.sliders.items():
            slider.set_value(float(self.code[dimension]))
        self.is_moving = False
        if self.cursor is not None and self.plane is not None:
            across, up = np.clip(self.plane.place(self.code), 0, 1)
            self.cursor.style(f"left: {100 * across:.2f}%; top: {100 * (1 - up):.2f}%")
        # A code far from all rows is one that the decoder has never seen: the distance says so.
        distance = np.linalg.norm(self.space.codes - self.code, axis=1)
        # The row is a hint where the code lies, and a number to type into the field `row`.
        near = int(distance.argmin())
        self.where.set_text(
            f"nearest row {near}, at distance {distance[near]:.3g}; length {np.linalg.norm(self.code):.3g}"
        )

    def _first_plane(self) -> Any:
        """Return a plane through the first row and two others; None if all codes lie on a line."""
        num = len(self.space.codes)
        self.corner_rows = (0, min(1, num - 1), min(2, num - 1))
        if self.space.codes.shape[1] < 2:
            return None
        # The first rows may have equal codes, as those of a collapsed posterior.
        candidates = [
            (0, second, third) for second in range(1, min(num, 8)) for third in range(second + 1, min(num, 9))
        ]
        for rows in candidates:
            try:
                plane = self.space.plane(rows)
            except JaxaeError:
                continue
            self.corner_rows = rows
            return plane
        return None

    def _dots(self) -> str:
        """Return the codes on the map as SVG. It contains numbers and colours only."""
        if self.plane is None:
            return ""
        places = 100 * (self.plane.points - self.plane.low) / (self.plane.high - self.plane.low)
        labels = self.space.labels
        colours = [COLOURS[0]] * len(places) if labels is None else [_colour(label) for label in labels]
        dots = "".join(
            f'<circle cx="{x:.2f}" cy="{100 - y:.2f}" r=".8" fill="{colour}" fill-opacity=".6"/>'
            for (x, y), colour in zip(places, colours, strict=True)
        )
        return f'<svg viewBox="0 0 100 100" width="100%" height="100%" aria-hidden="true">{dots}</svg>'

    def _slide(self, dimension: int, event: events.ValueChangeEventArguments) -> None:
        if not self.is_moving and event.value is not None:
            code = self.code.copy()
            code[dimension] = event.value
            self.move(code)

    def _drag(self, event: events.GenericEventArguments) -> None:
        across, down = (float(np.clip(value, 0, 1)) for value in event.args[:2])
        if self.plane is not None:
            self.move(self.plane.code(across, 1 - down, self.code))

    def _step(self, event: events.GenericEventArguments) -> None:
        if self.plane is not None:
            across, up = np.clip(self.plane.place(self.code) + STEP * np.array(event.args[:2], float), 0, 1)
            self.move(self.plane.code(float(across), float(up), self.code))

    def _set_plane(self) -> None:
        rows = [_row(each.value, len(self.space.codes)) for each in self.corners]
        if None in rows:
            return
        try:
            self.plane = self.space.plane(tuple(rows))  # type: ignore[arg-type]
        except JaxaeError as error:
            ui.notify(str(error), type="warning")
            return
        self.dots.set_content(self._dots())
        self.move(self.space.codes[rows[0]])

    def _set_label(self, event: events.ValueChangeEventArguments) -> None:
        self.label = int(event.value)
        self.move(self.code)

    def _to_row(self, event: events.ValueChangeEventArguments) -> None:
        if (row := _row(event.value, len(self.space.codes))) is not None:
            self.move(self.space.codes[row])

    def _draw(self) -> None:
        # Another seed each time, and the same sequence for each visitor.
        self.seed += 1
        code = self.space.drawn(self.seed)
        if code is not None:
            self.move(code)

    def _to_path(self) -> None:
        rows = [_row(each.value, len(self.space.codes)) for each in self.ends]
        # A field that a visitor is still typing into.
        if None in rows:
            return
        way: Way = self.way.value
        try:
            self.move(self.space.between(rows[0], rows[1], self.share.value, way))  # type: ignore[arg-type]
        except JaxaeError as error:
            ui.notify(str(error), type="warning")

    def _add_attribute(self, share: float) -> None:
        self.move(self.code + share * self.space.attributes[self.attribute.value])


class TokenPage:
    """The page of a run with tokens, for one visitor."""

    def __init__(self, space: TokenSpace) -> None:
        """Build the page.

        Args:
            space: The tokens, and the prior if there is one.
        """
        self.space = space
        self.shape = space.tokenizer.dataset.shape
        self.span = space.tokenizer.dataset.display_range
        self.tokens = space.tokens(0)
        self.is_free = np.zeros(len(self.tokens), bool)
        self.seed = 0
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.card().classes("items-center"):
                self.picture = Picture(self, "image of the tokens", self.span)
                last = len(space.tokenizer.result.test.x) - 1
                ui.number("row", value=0, min=0, max=last, precision=0, on_change=self._to_row)
            with ui.column():
                self._add_controls()
        self.show()

    def _add_controls(self) -> None:
        with ui.row().classes("items-center"):
            self.brush = ui.number(
                "token to paint", value=0, min=0, max=self.space.num_codes - 1, precision=0
            ).classes("w-32")
            self.tool = ui.toggle({"paint": "paint", "free": "free"}, value="paint")
        ui.label("Click on a cell. A free cell (?) is drawn again by the prior.").classes("text-sm")
        height, width = self.space.grid
        self.cells = []
        with ui.element("div").style(
            f"display: grid; gap: 2px; grid-template-columns: repeat({width}, minmax(0, 1fr))"
        ):
            for number in range(height * width):
                cell = ui.button(on_click=functools.partial(self._touch, number)).props(
                    "dense unelevated no-caps"
                )
                cell.style("min-width: 2.2rem; padding: 0 .2rem")
                # With the button pressed: a drag over cells paints all of them.
                cell.on(
                    "pointerenter",
                    functools.partial(self._touch, number),
                    js_handler="(e) => { if (e.buttons & 1) emit() }",
                )
                self.cells.append(cell)
        with ui.row().classes("items-center"):
            self.condition: Any = None
            if self.space.takes_text:
                self.condition = ui.input("caption", value=self.space.labels[0]).classes("w-60")
            elif self.space.labels:
                names, first = self.space.labels, self.space.labels[0]
                self.condition = ui.select(names, value=first, label="condition").classes("w-40")
            complete = ui.button("complete with the prior", on_click=self._complete)
            complete.set_enabled(self.space.prior is not None)
            ui.button("free all", on_click=self._free_all).set_enabled(self.space.prior is not None)
        if self.space.prior is None:
            ui.label(
                "To complete tokens, start the explorer with the run of a prior over these tokens."
            ).classes("text-sm")

    def show(self) -> None:
        """Show the tokens and their image."""
        self.picture.show(self.space.image(self.tokens))
        for cell, token, is_free in zip(self.cells, self.tokens, self.is_free, strict=True):
            cell.set_text("?" if is_free else str(token))

    def _touch(self, number: int) -> None:
        # A painted cell is no longer free: the visitor has decided.
        if self.tool.value == "free":
            self.is_free[number] = True
        elif (token := _row(self.brush.value, self.space.num_codes)) is not None:
            self.tokens[number], self.is_free[number] = token, False
        self.show()

    def _free_all(self) -> None:
        self.is_free[:] = True
        self.show()

    def _complete(self) -> None:
        self.seed += 1
        y = self.condition.value if self.condition is not None else None
        try:
            self.tokens = self.space.complete(self.tokens, self.is_free, self.seed, y).copy()
        except JaxaeError as error:  # a word of the caption that the prior does not know
            ui.notify(str(error), type="warning")
            return
        self.is_free[:] = False
        self.show()

    def _to_row(self, event: events.ValueChangeEventArguments) -> None:
        if (row := _row(event.value, len(self.space.tokenizer.result.test.x))) is not None:
            self.tokens, self.is_free[:] = self.space.tokens(row), False
            self.show()


def builder(space: Space | TokenSpace, title: str, summary: str) -> Callable[[], None]:
    """Return the function that builds the page for a visitor.

    Args:
        space: The codes or the tokens.
        title: Name of the run.
        summary: The run in one line.

    Returns:
        The function.
    """

    def build() -> None:
        with ui.column().classes("w-full max-w-screen-xl mx-auto p-2"):
            ui.label(title).classes("text-xl font-bold").style("overflow-wrap: anywhere").props(
                "role=heading aria-level=1"
            )
            ui.label(summary).classes("text-sm opacity-80").style("overflow-wrap: anywhere")
            CodePage(space) if isinstance(space, Space) else TokenPage(space)

    return build


def _colour(label: Any) -> str:
    """Return the colour of a label on the map and in its legend."""
    return COLOURS[int(label) % len(COLOURS)]


def _row(value: Any, num: int) -> int | None:
    """Return a number that a visitor has typed, or None if it is not one of 0 to `num` - 1."""
    if value is None or not 0 <= value < num or value != int(value):
        return None
    return int(value)
