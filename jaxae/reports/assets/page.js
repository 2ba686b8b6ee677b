// Draws the charts, makes the table of runs sortable, and keeps both at the same selection of runs.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const views = new Map(); // element of a chart -> its view
  let chosen = null; // {id of a run: true}, or null for all runs
  let brushed = null; // the same, of the runs that a reader has marked in a chart
  let table = null;

  const theme = () => {
    const [text, line] = dark.matches ? ["#e6eaf0", "#364050"] : ["#1c2430", "#d8dce3"];
    const axis = { labelColor: text, titleColor: text, gridColor: line, domainColor: line, tickColor: line,
      titleFontWeight: "normal" };
    return { background: null, view: { stroke: null }, axis, text: { color: text },
      legend: { labelColor: text, titleColor: text, labelLimit: 220 }, title: { color: text },
      font: "system-ui, sans-serif" };
  };

  // The names of all data that a chart or one of its layers draws.
  const names = (spec) => {
    const own = spec.data && spec.data.name ? [spec.data.name] : [];
    return own.concat(...(spec.layer || []).map(names));
  };

  const draw = async (element) => {
    const spec = JSON.parse(document.getElementById(element.dataset.spec).textContent);
    // A chart may bring small data of its own.
    spec.datasets = spec.datasets || {};
    let rows = 0;
    for (const name of names(spec)) {
      spec.datasets[name] = spec.datasets[name] || data[name] || [];
      rows += spec.datasets[name].length;
    }
    // Thousands of marks are drawn faster on a canvas than as elements of the page.
    const options = { actions: { export: true, source: false, compiled: false, editor: false },
      renderer: rows > 3000 ? "canvas" : "svg", config: theme(), tooltip: { theme: dark.matches ? "dark" : "light" } };
    const old = views.get(element);
    const result = await window.vegaEmbed(element, spec, options);
    if (old) old.finalize();
    views.set(element, result.view);
    if (chosen) show(result.view);
    if ((spec.layer || []).some((layer) => (layer.params || []).some((each) => each.name === "brush")) ||
        (spec.params || []).some((each) => each.name === "brush")) {
      result.view.addSignalListener("brush", (_, ranges) => mark(ranges));
    }
  };

  const show = (view) => {
    try {
      view.signal("chosen", chosen).runAsync();
    } catch (error) {
      // A chart of something else than runs has no such signal.
    }
  };

  // Choose the runs with a value inside the rectangle that a reader has drawn over the parallel axes.
  const mark = (ranges) => {
    brushed = null;
    if (ranges && ranges.place && ranges.axis) {
      const axes = new Set(ranges.axis);
      const [low, high] = [Math.min(...ranges.place), Math.max(...ranges.place)];
      brushed = {};
      for (const row of data.parallel) {
        if (axes.has(row.axis) && row.place >= low && row.place <= high) brushed[row.run] = true;
      }
    }
    choose();
  };

  let waiting = 0;
  const choose = () => {
    clearTimeout(waiting);
    // After the last of many moves of a pointer.
    waiting = setTimeout(() => {
      if (table) {
        table.draw();
      } else {
        chosen = brushed;
        views.forEach(show);
      }
    }, 60);
  };

  const makeTable = async (element) => {
    const source = document.getElementById("tables").textContent;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const library = await import(url);
    URL.revokeObjectURL(url);
    const DataTable = library.default;
    // Not `data-columns`: DataTables reads attributes of its own options. Headings are those of the page, which are escaped. `render` shows values as text, never as HTML.
    const columns = JSON.parse(element.dataset.pageKeys).map((key) => ({
      data: key, defaultContent: "", render: DataTable.render.text(),
      type: data[element.dataset.pageRows].some((row) => typeof row[key] === "string") ? "string" : "num",
    }));
    DataTable.ext.search.push((settings, cells, index, row) => !brushed || brushed[row.run] === true);
    table = new DataTable(element, {
      data: data[element.dataset.pageRows], columns: columns, deferRender: true, pageLength: 10, order: [],
      lengthMenu: [10, 25, 100, { label: "all", value: -1 }],
      layout: { topStart: "pageLength", topEnd: "search", bottomStart: "info", bottomEnd: "paging",
        top2: { searchBuilder: { columns: columns.map((_, place) => place) } } },
    });
    table.on("draw", () => {
      const shown = table.rows({ search: "applied" }).data().toArray();
      chosen = null;
      if (shown.length < data[element.dataset.pageRows].length) {
        chosen = {};
        for (const row of shown) chosen[row.run] = true;
      }
      views.forEach(show);
    });
  };

  const copy = async (button) => {
    const text = button.closest(".command").querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch (error) {
      // Without permission the text is selected, so that a key copies it.
      window.getSelection().selectAllChildren(button.closest(".command").querySelector("code"));
      button.textContent = "selected";
    }
  };

  const start = async () => {
    document.documentElement.classList.toggle("dark", dark.matches);
    document.querySelectorAll(".command button").forEach((button) => {
      button.addEventListener("click", () => copy(button));
    });
    // A folded chart has no width: it is drawn when it is opened.
    document.querySelectorAll("details").forEach((details) => {
      details.addEventListener("toggle", () => {
        if (details.open) details.querySelectorAll(".chart").forEach((each) => views.has(each) || draw(each));
      });
    });
    const charts = [...document.querySelectorAll(".chart")].filter((each) => !each.closest("details:not([open])"));
    const tables = document.querySelectorAll("table[data-page-rows]");
    await Promise.all([...charts.map(draw), ...[...tables].map(makeTable)]);
    dark.addEventListener("change", () => {
      document.documentElement.classList.toggle("dark", dark.matches);
      [...views.keys()].forEach(draw);
    });
    document.documentElement.dataset.ready = "true";
  };
  window.jaxaeViews = views;
  start();
})();
