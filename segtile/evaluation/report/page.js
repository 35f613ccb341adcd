"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const metrics = new Map(data.metrics.map((metric) => [metric.name, metric]));

  /* Greater is worse, whatever the metric's direction; null where there is no figure. */
  const badness = (name, value) => {
    if (value === null || value === undefined) return null;
    const better = metrics.get(name)?.better ?? "lower";
    return better === "higher" ? -value : better === "zero" ? Math.abs(value) : value;
  };

  /* A figure for people, by the rules of the run's tables (`show` in tables.py): shares, which have no unit, with four
     decimals, others with as many as leave four digits. */
  const shown = (name, value) => {
    if (value === null || value === undefined) return "−";
    const share = ["", "share", "0..1"].includes(metrics.get(name)?.unit ?? "px");
    const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
    const text = value.toFixed(share ? 4 : Math.min(3, Math.max(0, 3 - Math.max(0, magnitude))));
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
  };

  /* ---- tables: a click on a column's head sorts, best first; another click turns it round; no figure comes last ---- */
  const firstDirection = (head) => (head.dataset.better === "higher" ? "descending" : "ascending");

  const sortTable = (table, head) => {
    const column = [...head.parentElement.children].indexOf(head);
    const now = head.getAttribute("aria-sort");
    const turned = now === "ascending" ? "descending" : "ascending";
    const direction = now === "none" ? firstDirection(head) : turned;
    for (const other of head.parentElement.children) other.setAttribute("aria-sort", other === head ? direction : "none");
    const sign = direction === "ascending" ? 1 : -1;
    const text = head.dataset.kind === "text";
    const value = (row) => {
      const raw = row.children[column].dataset.value;
      if (text) return raw;
      if (raw === "") return null;
      return head.dataset.better === "zero" ? Math.abs(Number(raw)) : Number(raw);
    };
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, value: value(row) }));
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
      return sign * (text ? a.value.localeCompare(b.value) : a.value - b.value);
    });
    body.append(...rows.map((entry) => entry.row));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("th");
      if (head && event.target.closest("button")) sortTable(table, head);
    });
  }

  /* ---- contact sheet: order, choice, worst windows ---- */
  const sheet = byId("sheet");
  const articles = [...sheet.children];
  const bySystem = byId("by-system");
  const byMetric = byId("by-metric");
  const only = byId("only");
  const figure = (index, system, metric) => data.pictures[index].systems[system]?.metrics[metric] ?? null;
  const failed = (index, system) => data.pictures[index].systems[system]?.failed === true;

  /* Failures first, then by figure, then what has no figure. */
  const rank = (index) => {
    if (failed(index, bySystem.value)) return [0, 0];
    const worse = badness(byMetric.value, figure(index, bySystem.value, byMetric.value));
    return worse === null ? [2, 0] : [1, -worse];
  };

  const inChoice = (index) => {
    const [kind, ...rest] = only.value.split(" ");
    const name = rest.join(" ");
    const picture = data.pictures[index];
    return kind === "" || (kind === "dataset" ? picture.dataset === name : picture.slices.includes(name));
  };

  const arrange = () => {
    const entries = articles.map((article) => ({ article, index: Number(article.dataset.index) }));
    for (const entry of entries) entry.rank = rank(entry.index);
    entries.sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1] || a.index - b.index);
    let count = 0;
    for (const { article, index } of entries) {
      article.hidden = !inChoice(index);
      count += article.hidden ? 0 : 1;
      const bad = failed(index, bySystem.value);
      const lead = article.querySelector(".lead");
      lead.classList.toggle("bad", bad);
      const value = shown(byMetric.value, figure(index, bySystem.value, byMetric.value));
      lead.textContent = bad ? `${bySystem.value} failed` : `${byMetric.value} ${value}`;
      for (const card of article.querySelectorAll(".card.system")) {
        card.classList.toggle("chosen", card.dataset.system === bySystem.value);
      }
    }
    sheet.append(...entries.map((entry) => entry.article));
    byId("count").textContent = `${count} picture${count === 1 ? "" : "s"}`;
    byId("nothing").hidden = count > 0;
  };
  for (const control of [bySystem, byMetric, only]) control.addEventListener("change", arrange);

  const windows = byId("windows");
  windows.addEventListener("click", () => {
    const open = windows.getAttribute("aria-pressed") !== "true";
    windows.setAttribute("aria-pressed", String(open));
    for (const details of document.querySelectorAll("details.windows")) details.open = open;
  });

  /* ---- viewer: two views of one picture and a slider between them ---- */
  const viewer = byId("viewer");
  const stage = byId("stage");
  const slider = byId("slider");
  const left = byId("left");
  const right = byId("right");
  let current = null;
  let turn = 0;

  const loaded = async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    return image;
  };

  const canvasOf = (image, width, height) => {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height);
    return context;
  };

  /* What can be shown of a picture: view -> {label, group, source, cut}. */
  const viewsOf = (article) => {
    const views = new Map();
    const alphas = JSON.parse(article.querySelector("script.alphas").textContent);
    const photo = article.querySelector("img.photo")?.src;
    const truth = article.querySelector("img.truth")?.src;
    if (photo) views.set("photo", { label: "Photo", group: "", source: photo });
    const add = (key, name, source) => {
      if (photo) views.set(key, { label: name, group: "Cut-out", source, cut: true });
      views.set(`alpha ${key}`, { label: `${name}, alpha`, group: "Alpha", source });
    };
    if (truth) add("truth", "Truth", truth);
    for (const system of data.systems) if (Object.hasOwn(alphas, system)) add(`system ${system}`, system, alphas[system]);
    for (const card of article.querySelectorAll(".card.system")) {
      const map = card.querySelector("img.map");
      const system = card.dataset.system;
      if (map) views.set(`map ${system}`, { label: `${system}, error`, group: "Error", source: map.src });
    }
    return { views, photo };
  };

  const draw = async (target, key, state) => {
    const view = state.views.get(key);
    if (!view) return;
    const image = await loaded(view.source);
    const base = view.cut ? await loaded(state.photo) : image;
    const width = base.naturalWidth;
    const height = base.naturalHeight;
    const context = canvasOf(base, width, height);
    if (view.cut) {
      const pixels = context.getImageData(0, 0, width, height);
      const alpha = canvasOf(image, width, height).getImageData(0, 0, width, height).data;
      for (let i = 0; i < alpha.length; i += 4) pixels.data[i + 3] = alpha[i];
      context.putImageData(pixels, 0, 0);
    }
    if (state.turn !== turn) return; /* something else was chosen meanwhile */
    target.width = width;
    target.height = height;
    target.getContext("2d").drawImage(context.canvas, 0, 0);
    if (state.ratio === undefined) {
      state.ratio = width / height;
      stage.style.setProperty("--ratio", String(state.ratio));
    }
  };

  const refresh = async () => {
    turn += 1;
    current.turn = turn;
    viewer.setAttribute("aria-busy", "true");
    await Promise.all([draw(byId("over"), left.value, current), draw(byId("under"), right.value, current)]);
    if (current.turn === turn) viewer.setAttribute("aria-busy", "false");
    compareFigures();
  };

  const systemOf = (key) => data.systems.find((s) => [`system ${s}`, `alpha system ${s}`, `map ${s}`].includes(key));

  /* The figures of the systems on both sides; the better one of each line is marked. */
  const compareFigures = () => {
    const index = Number(current.article.dataset.index);
    const systems = [...new Set([systemOf(left.value), systemOf(right.value)])].filter((s) => s !== undefined);
    const table = byId("figures");
    table.replaceChildren();
    if (!systems.length) return;
    const cell = (row, kind, text) => {
      const made = row.appendChild(document.createElement(kind));
      made.textContent = text;
      return made;
    };
    const measured = data.metrics.filter(({ name }) => systems.some((system) => figure(index, system, name) !== null));
    const head = table.createTHead().insertRow();
    cell(head, "th", "");
    for (const { name } of measured) cell(head, "th", name);
    const body = table.createTBody();
    for (const system of systems) {
      const row = body.insertRow();
      cell(row, "th", system);
      for (const { name } of measured) {
        const values = systems.map((other) => badness(name, figure(index, other, name)));
        const value = figure(index, system, name);
        const wins = values.length > 1 && !values.includes(null) && values[0] !== values[1];
        const made = cell(row, "td", shown(name, value));
        if (wins && badness(name, value) === Math.min(...values)) made.className = "better";
      }
    }
  };

  const fill = (select, views, wanted) => {
    select.replaceChildren();
    let group = select;
    for (const [key, view] of views) {
      if (view.group && group.label !== view.group) {
        group = select.appendChild(document.createElement("optgroup"));
        group.label = view.group;
      }
      group.append(new Option(view.label, key));
    }
    const found = wanted.find((key) => views.has(key));
    if (found !== undefined) select.value = found;
  };

  const moveTo = (percent) => {
    slider.value = String(percent);
    stage.style.setProperty("--at", `${slider.value}%`);
  };

  const open = (article, wantedLeft, wantedRight) => {
    current = { article, ...viewsOf(article) };
    if (!current.views.size) return;
    byId("viewer-title").textContent = article.querySelector("h3").textContent;
    const any = [...current.views.keys()];
    fill(left, current.views, [...wantedLeft, ...any]);
    fill(right, current.views, [...wantedRight.filter((key) => key !== left.value), ...any]);
    refresh();
    if (!viewer.open) {
      moveTo(50);
      viewer.showModal();
      slider.focus();
    }
  };

  sheet.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (!button) return;
    const ours = `system ${bySystem.value}`;
    const what = button.closest(".system") ? `system ${button.dataset.left}` : button.dataset.left;
    const others = data.systems.map((system) => `system ${system}`);
    const opposite = what === "truth" || what === "photo" ? [ours, ...others] : ["truth", "photo", ...others];
    const alphaOnly = (keys) => keys.flatMap((key) => [key, `alpha ${key}`]);
    open(button.closest("article"), alphaOnly([what]), alphaOnly(opposite));
  });

  const step = (by) => {
    const visible = [...sheet.children].filter((article) => !article.hidden);
    const at = visible.indexOf(current.article);
    open(visible[(at + by + visible.length) % visible.length], [left.value], [right.value]);
  };
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer) viewer.close(); /* the backdrop; everything else lies in the dialog's children */
  });
  viewer.addEventListener("close", () => {
    turn += 1;
    /* The browser gives the focus back to the card that was opened; after Next it belongs to the picture shown last. */
    if (current && !current.article.contains(document.activeElement)) current.article.querySelector("button.open").focus();
  });
  slider.addEventListener("input", () => moveTo(slider.value));
  byId("ground").addEventListener("change", (event) => {
    stage.className = event.target.value;
  });
  left.addEventListener("change", refresh);
  right.addEventListener("change", refresh);

  arrange();
})();
