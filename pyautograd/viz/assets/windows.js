// Convolution and pooling: the window moves over the input, its column of the im2col matrix beside.

// The input of an op with windows as a plane with its padding.
function paddedPlane(x, n, c, [top, left], extra = [0, 0]) {
  const [height, width] = x.shape.slice(-2), [rows, columns] = x.held.slice(-2);
  const whole = (held, all, pad, more) => held + pad + (held === all ? pad + more : 0);
  const outside = (i, j) => i < top || j < left || i >= top + height || j >= left + width;
  return {
    rows: whole(rows, height, top, extra[0]), columns: whole(columns, width, left, extra[1]), largest: x.largest, outside,
    get: (i, j) => (outside(i, j) ? 0 : x.at(n, c, i - top, j - left)),
    where: (i, j) => (outside(i, j) ? "padding" : `[${n}, ${c}, ${i - top}, ${j - left}]`),
  };
}

function windowsView(key, step) {
  const node = NODES[key], spec = node.windows;
  const x = values(NODES[node.slots[0]]?.value), y = values(node.value);
  const w = spec.type === "conv" ? values(NODES[node.slots[1]]?.value) : null;
  if (!x || !y || (spec.type === "conv" && !w)) return el("p", { class: "note" }, "The windows cannot be shown: the input was not kept. Compute it under with ag.viz.record(): to see them.");
  if (!y.size || !x.size) return null;
  const grad = visitedAt[key] <= step ? values(node.grad) : null;
  return spec.type === "conv" || spec.type === "unfold" ? convolutionView(node, spec, x, w, y, grad) : poolingView(node, spec, x, y, grad);
}

// ---- shared -------------------------------------------------------------------------------------

// The bar that moves the window: a slider over the output's places, and play.
function mover(rows, columns, moved) {
  const count = rows * columns;
  const slider = el("input", { type: "range", min: 0, max: count - 1, value: 0, "aria-label": "Place of the window" });
  const bar = el("div", { class: "move" });
  const to = (i) => {
    slider.value = i;
    slider.setAttribute("aria-valuetext", `row ${Math.floor(i / columns)}, column ${i % columns}`);
    moved(Math.floor(i / columns), i % columns);
  };
  let timer = null;
  const play = el("button", { type: "button", onclick: () => {
    if (timer) stop();
    else {
      play.textContent = "❚❚ Stop";
      timer = setInterval(() => (bar.isConnected ? to((Number(slider.value) + 1) % count) : stop()), 550);
    }
  } }, "▶ Slide");
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ Slide";
  };
  slider.addEventListener("input", () => to(Number(slider.value)));
  bar.append(play, slider);
  bar.to = (i, j) => to(Math.min(i, rows - 1) * columns + Math.min(j, columns - 1));
  return bar;
}

function figure(caption, ...inside) {
  return el("figure", {}, el("figcaption", {}, caption), ...inside);
}

// What becomes of the gradient of one output.
const wayBack = (x, text) => el("span", { class: "back" }, "backward: ", el("b", {}, format(x, 5)), text);

const chooseImage = (box, held, choose) => el("div", { class: "picks" },
  [["image", held[0], "n"], ...box].filter(([, count]) => count > 1).map(([label, count, field]) => picker(label, count, (i) => choose({ [field]: i }))));

// ---- convolution, and im2col alone --------------------------------------------------------------

function convolutionView(node, spec, x, w, y, grad) {
  const kernel = w ? w.shape.slice(2) : spec.kernel;
  const [H, W] = x.shape.slice(2);
  const reach = kernel.map((k, d) => spec.dilation[d] * (k - 1) + 1);
  const count = [H, W].map((size, d) => Math.floor((size + 2 * spec.padding[d] - reach[d]) / spec.stride[d]) + 1);
  const inputs = x.shape[1] / spec.groups, outputs = w ? w.shape[0] / spec.groups : 1;
  const chosen = { n: 0, o: 0, c: 0, i: 0, j: 0 };
  const box = el("div", { class: "windows", "data-type": spec.type });
  const plane = paddedPlane(x, 0, 0, spec.padding);
  // Windows that lie in the part of the input that the page holds.
  const rows = Math.min(count[0], Math.floor((plane.rows - reach[0]) / spec.stride[0]) + 1);
  const columns = Math.min(count[1], Math.floor((plane.columns - reach[1]) / spec.stride[1]) + 1);
  if (rows < 1 || columns < 1) return el("p", { class: "note" }, "The kernel is larger than the part of the input that the page holds.");
  const first = () => Math.floor(chosen.o / outputs) * inputs; // channel of the group
  const shownChannels = Math.min(inputs, x.held[1], w ? w.held[1] : Infinity);
  const taps = kernel[0] * kernel[1];
  const at = (c, r, s, i = chosen.i, j = chosen.j) => {
    const [p, q] = [i * spec.stride[0] + r * spec.dilation[0] - spec.padding[0], j * spec.stride[1] + s * spec.dilation[1] - spec.padding[1]];
    return p < 0 || q < 0 || p >= H || q >= W ? 0 : x.at(chosen.n, first() + c, p, q);
  };
  const tap = (row) => [Math.floor(row / taps), Math.floor(row % taps / kernel[1]), row % kernel[1]];
  const body = el("div"), sum = el("p", { class: "sum", "aria-live": "polite" });
  let marks = {};

  const draw = () => {
    const c = Math.min(chosen.c, shownChannels - 1);
    const input = heatMap(paddedPlane(x, chosen.n, first() + c, spec.padding), { room: [160, 160], most: 34, label: "input", pick: (i, j) =>
      bar.to(Math.max(0, Math.round((i - (reach[0] - 1) / 2) / spec.stride[0])), Math.max(0, Math.round((j - (reach[1] - 1) / 2) / spec.stride[1]))) });
    const parts = [figure(`input, channel ${first() + c}`, input)];
    marks = { window: input.mark() };
    if (w) {
      parts.push(figure(`kernel ${chosen.o}`, heatMap({ rows: kernel[0], columns: kernel[1], largest: w.largest, get: (r, s) => w.at(chosen.o, c, r, s), where: (r, s) => `[${chosen.o}, ${c}, ${r}, ${s}]` }, { room: [90, 90], most: 30, label: "kernel" })));
      const output = heatMap({ rows, columns, largest: y.largest, get: (i, j) => y.at(chosen.n, chosen.o, i, j), where: (i, j) => `[${chosen.n}, ${chosen.o}, ${i}, ${j}]` }, { room: [116, 160], most: 34, label: "output", pick: bar.to });
      parts.push(figure(`output, channel ${chosen.o}`, output));
      marks.output = output.mark();
    }
    const matrix = heatMap({
      rows: shownChannels * taps, columns: rows * columns, largest: x.largest,
      get: (row, column) => at(...tap(row), Math.floor(column / columns), column % columns),
      where: (row, column) => `tap ${tap(row).join(", ")} of window ${Math.floor(column / columns)}, ${column % columns}`,
    }, { room: [392, 230], most: 34, least: 3, label: "im2col matrix", pick: (_, column) => bar.to(Math.floor(column / columns), column % columns) });
    marks.column = matrix.mark("mark line");
    marks.scroll = matrix.firstChild;
    const row = w && { rows: 1, columns: shownChannels * taps, largest: w.largest, get: (_, i) => w.at(chosen.o, ...tap(i)), where: (_, i) => `[${[chosen.o, ...tap(i)].join(", ")}]` };
    body.replaceChildren(
      el("div", { class: "row" }, parts),
      row ? figure(`the kernel as a row: times the matrix it gives the output`, el("div", { class: "scroll" }, heatMap(row, { room: [392, 24], most: 24, least: 3, label: "kernel as a row", read: false }))) : "",
      figure(`im2col: each window is a column (${inputs * taps} × ${count[0] * count[1]}${shownChannels * taps < inputs * taps || rows * columns < count[0] * count[1] ? `, of which ${shownChannels * taps} × ${rows * columns} here` : ""})`, el("div", { class: "scroll" }, matrix)),
    );
    move(chosen.i, chosen.j);
  };
  const move = (i, j) => {
    Object.assign(chosen, { i, j });
    box.dataset.window = `${i},${j}`;
    marks.window?.move(i * spec.stride[0], j * spec.stride[1], ...reach);
    marks.output?.move(i, j, 1, 1);
    marks.column?.move(0, i * columns + j, shownChannels * taps, 1);
    sum.replaceChildren(...(w ? productText(i, j) : [`window (${i}, ${j}) is column ${i * columns + j}`]));
    if (grad && w) sum.append(wayBack(grad.at(chosen.n, chosen.o, i, j), ": times the kernel it is added to the gradient of the window, times the window to that of the kernel"));
  };
  const productText = (i, j) => {
    const b = values(NODES[node.slots[2]]?.value), bias = b ? b.at(chosen.o) : 0;
    const terms = cells(...kernel).map(([r, s]) => [at(Math.min(chosen.c, shownChannels - 1), r, s), w.at(chosen.o, Math.min(chosen.c, shownChannels - 1), r, s)]);
    const shown = terms.slice(0, 9).map(([p, q]) => `${format(p, 3)}·${q < 0 ? `(${format(q, 3)})` : format(q, 3)}`).join(" + ");
    const more = terms.length > 9 || inputs > 1 ? ` + … (${inputs * taps} products)` : "";
    return [`window (${i}, ${j}): ${shown}${more}${bias ? ` + bias ${format(bias, 4)}` : ""} = `, el("b", {}, format(y.at(chosen.n, chosen.o, i, j), 5))];
  };
  const bar = mover(rows, columns, move);
  const choices = [["input channel", shownChannels, "c"]];
  if (w) choices.unshift(["filter", Math.min(w.held[0], y.held[1]), "o"]);
  box.append(chooseImage(choices, x.held, (change) => {
    Object.assign(chosen, change);
    draw();
  }), bar, sum, body);
  draw();
  return box;
}

// ---- pooling ------------------------------------------------------------------------------------

function poolingView(node, spec, x, y, grad) {
  const largest = spec.type === "max", chosen = { n: 0, c: 0, i: 0, j: 0 };
  const padding = largest ? spec.padding : [0, 0];
  const [H, W] = x.shape.slice(2);
  // Begin and end of window i along a dimension, without the padding.
  const span = (d, i) => {
    if (!largest) return [(d ? spec.columns : spec.rows)[0][i], (d ? spec.columns : spec.rows)[1][i]];
    const begin = i * spec.stride[d] - spec.padding[d];
    return [begin, begin + spec.dilation[d] * (spec.kernel[d] - 1) + 1];
  };
  const step = largest ? spec.dilation : [1, 1];
  const within = (d) => {
    let n = 0;
    while (n < y.held[2 + d] && Math.min(span(d, n)[1], x.shape[2 + d]) <= x.held[2 + d]) n++;
    return n;
  };
  const rows = within(0), columns = within(1);
  if (!rows || !columns) return null;
  const inside = (i, j) => {
    const found = [], [[top, bottom], [left, right]] = [span(0, i), span(1, j)];
    for (let p = top; p < bottom; p += step[0]) {
      for (let q = left; q < right; q += step[1]) if (p >= 0 && q >= 0 && p < H && q < W) found.push([p, q]);
    }
    return found;
  };
  const value = ([p, q]) => x.at(chosen.n, chosen.c, p, q);
  // The first of the largest in scan order; NaN wins.
  const winner = (i, j) => inside(i, j).reduce((best, cell) => (!(value(best) >= value(cell)) && !Number.isNaN(value(best)) ? cell : best));
  const box = el("div", { class: "windows", "data-type": spec.type });
  const body = el("div", { class: "row" }), sum = el("p", { class: "sum", "aria-live": "polite" });
  let marks = {};
  const draw = () => {
    const overhang = [span(0, y.shape[2] - 1)[1] - H - padding[0], span(1, y.shape[3] - 1)[1] - W - padding[1]].map((n) => Math.max(0, n));
    const input = heatMap(paddedPlane(x, chosen.n, chosen.c, padding, overhang), { room: [160, 190], most: 36, label: "input", pick: (p, q) => {
      const find = (d, at) => Array.from({ length: d ? columns : rows }, (_, i) => i).find((i) => span(d, i)[1] > at) ?? 0;
      bar.to(find(0, p - padding[0]), find(1, q - padding[1]));
    } });
    const output = heatMap({ rows, columns, largest: y.largest, get: (i, j) => y.at(chosen.n, chosen.c, i, j), where: (i, j) => `[${chosen.n}, ${chosen.c}, ${i}, ${j}]` }, { room: [150, 190], most: 36, label: "output", pick: bar.to });
    const parts = [figure("input", input), figure("output", output)];
    marks = { window: input.mark(), output: output.mark() };
    if (largest) {
      marks.won = input.mark("mark won");
      parts.push(maskFigure());
    }
    body.replaceChildren(...parts);
    move(chosen.i, chosen.j);
  };
  const maskFigure = () => {
    const won = new Set(cells(rows, columns).map(([i, j]) => winner(i, j).join()));
    box.dataset.mask = [...won].join(" ");
    const plane = { rows: Math.min(x.held[2], H), columns: Math.min(x.held[3], W), largest: 1, get: (p, q) => (won.has(`${p},${q}`) ? 1 : 0) };
    return figure("argmax mask: where the gradient goes", heatMap(plane, { room: [160, 190], most: 36, label: "argmax mask", read: false }));
  };
  const move = (i, j) => {
    Object.assign(chosen, { i, j });
    const [[top, bottom], [left, right]] = [span(0, i), span(1, j)];
    box.dataset.window = `${i},${j}`;
    marks.window.move(top + padding[0], left + padding[1], bottom - top, right - left);
    marks.output.move(i, j, 1, 1);
    const numbers = inside(i, j).map((cell) => format(value(cell), 4));
    const listed = numbers.length > 12 ? `${numbers.slice(0, 12).join(", ")}, …` : numbers.join(", ");
    sum.replaceChildren(`window (${i}, ${j}): ${largest ? "max" : "mean"} of ${listed} = `, el("b", {}, format(y.at(chosen.n, chosen.c, i, j), 5)));
    if (!largest) {
      if (grad) sum.append(wayBack(grad.at(chosen.n, chosen.c, i, j), ": an equal share goes to each of the window"));
      return;
    }
    const [p, q] = winner(i, j);
    box.dataset.winner = `${p},${q}`;
    marks.won.move(p + padding[0], q + padding[1], 1, 1);
    sum.append(` at row ${p}, column ${q}`);
    if (grad) sum.append(wayBack(grad.at(chosen.n, chosen.c, i, j), ` goes to row ${p}, column ${q}`));
  };
  const bar = mover(rows, columns, move);
  box.append(chooseImage([["channel", x.held[1], "c"]], [Math.min(x.held[0], y.held[0])], (change) => {
    Object.assign(chosen, change);
    draw();
  }), bar, sum, body);
  draw();
  return box;
}
