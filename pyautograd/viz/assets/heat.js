// Heat maps: numbers as colours, and as numbers where there is room.

const styles = getComputedStyle(document.documentElement);
let palette = {};

function readPalette() {
  for (const key of ["low", "zero", "high", "nan", "inf", "none", "ink", "card"]) {
    const hex = styles.getPropertyValue(`--${key}`).trim().slice(1);
    palette[key] = [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
  }
}

const mixed = (a, b, t) => a.map((x, i) => Math.round(x + (b[i] - x) * t));
const css = (color) => `rgb(${color.join(",")})`;

function colorOf(x, largest) {
  if (x === undefined || x === null) return palette.none;
  if (Number.isNaN(x)) return palette.nan;
  if (!Number.isFinite(x)) return palette.inf;
  const t = largest > 0 ? Math.min(Math.abs(x) / largest, 1) : 0;
  return mixed(palette.zero, x < 0 ? palette.low : palette.high, t ** 0.75);
}

const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#10151f" : "#ffffff");

const cells = (height, width) => Array.from({ length: height * width }, (_, i) => [Math.floor(i / width), i % width]);

// The last two dimensions of an array as a plane, at these places of the others.
function planeOf(array, places = []) {
  const held = array.held;
  if (!held.length) return { rows: 1, columns: 1, get: () => array.data[0], largest: array.largest };
  if (held.length === 1) {
    const width = held[0] > 16 ? 16 : held[0];
    return {
      rows: width ? Math.ceil(held[0] / width) : 0, columns: width, largest: array.largest,
      get: (i, j) => (i * width + j < held[0] ? array.data[i * width + j] : null),
      where: (i, j) => `[${i * width + j}]`,
    };
  }
  const [rows, columns] = held.slice(-2);
  return {
    rows, columns, largest: array.largest, get: (i, j) => array.at(...places, i, j),
    where: (i, j) => `[${[...places, i, j].join(", ")}]`,
  };
}

// A canvas with a line below that reads the cell under the pointer.
// plane: rows, columns, get(i, j), largest; where(i, j) names a cell; outside(i, j): padding.
// pick(i, j): called for a cell that is chosen. room: pixels of width and height.
function heatMap(plane, { room = [380, 260], most = 40, least = 1, pick = null, label = "", read = true } = {}) {
  const { rows, columns } = plane;
  if (!rows || !columns) return el("p", { class: "note" }, "empty: there is nothing in it");
  const cell = Math.max(least, Math.min(most, Math.floor(Math.min(room[0] / columns, room[1] / rows)))) || 1;
  const wide = cell >= 24 ? Math.max(cell, Math.min(58, Math.floor(room[0] / columns))) : cell;
  const ratio = window.devicePixelRatio || 1;
  const canvas = el("canvas", { role: "img", "aria-label": `${label} ${spoken(plane)}`.trim() });
  canvas.width = columns * wide * ratio;
  canvas.height = rows * cell * ratio;
  canvas.style.width = `${columns * wide}px`;
  canvas.style.height = `${rows * cell}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const gap = cell >= 6 ? 0.5 : 0, type = typeOf(plane, wide, cell);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) paintCell(context, plane, i, j, wide, cell, gap, type);
  }
  const box = el("div", { class: pick ? "heat pick" : "heat" }, canvas);
  const text = read ? el("p", { class: "read", "aria-hidden": "true" }) : null;
  const place = (event) => {
    const area = canvas.getBoundingClientRect();
    const i = Math.floor((event.clientY - area.top) / area.height * rows);
    const j = Math.floor((event.clientX - area.left) / area.width * columns);
    return i >= 0 && i < rows && j >= 0 && j < columns ? [i, j] : null;
  };
  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (!at) return;
    const x = plane.get(...at);
    if (text && x !== null) text.textContent = `${plane.where ? plane.where(...at) : `[${at.join(", ")}]`} = ${x === undefined ? "not held" : format(x)}`;
    if (pick && event.buttons) pick(...at);
  });
  if (pick) canvas.addEventListener("pointerdown", (event) => place(event) && pick(...place(event)));
  const whole = el("div", {}, box, text);
  // Outlines a block of cells; the element can be moved later.
  whole.mark = (kind = "mark") => {
    const mark = box.appendChild(el("div", { class: kind, hidden: true }));
    mark.move = (i, j, height, width) => {
      mark.hidden = false;
      mark.dataset.at = [i, j, height, width].join(",");
      Object.assign(mark.style, { left: `${j * wide - 1}px`, top: `${i * cell - 1}px`, width: `${width * wide + 2}px`, height: `${height * cell + 2}px` });
    };
    return mark;
  };
  return whole;
}

// In how many digits, and how large, all numbers of a plane fit into its cells; null if they do not.
function typeOf({ rows, columns, get }, wide, cell) {
  if (cell < 15) return null;
  const numbers = cells(rows, columns).map(([i, j]) => get(i, j)).filter((x) => x !== null);
  for (const digits of [4, 3, 2]) {
    const longest = Math.max(...numbers.map((x) => format(x, digits).length));
    const size = Math.min(13, wide / (longest * 0.62 + 0.6), cell * 0.55);
    if (size >= (digits > 2 ? 9 : 7.5)) return { digits, size };
  }
  return null;
}

function paintCell(context, plane, i, j, wide, cell, gap, type) {
  const x = plane.get(i, j);
  if (x === null) return;
  const outside = plane.outside?.(i, j);
  const color = outside ? palette.card : colorOf(x, plane.largest);
  context.fillStyle = css(color);
  context.fillRect(j * wide, i * cell, wide - gap, cell - gap);
  if (Number.isNaN(x) || outside) {
    context.strokeStyle = outside ? css(palette.none) : css(palette.card);
    context.lineWidth = Math.max(1, cell / 14);
    context.beginPath();
    for (let k = 0; k < wide + cell; k += Math.max(4, cell / 4)) {
      context.moveTo(j * wide + Math.min(k, wide), i * cell + Math.max(0, k - wide));
      context.lineTo(j * wide + Math.max(0, k - cell), i * cell + Math.min(k, cell));
    }
    context.stroke();
  }
  if (!type) return;
  const { digits, size } = type, text = format(x, digits);
  context.font = `${Number.isNaN(x) ? 700 : 500} ${size}px ui-monospace, "DejaVu Sans Mono", monospace`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = inkOn(color);
  context.fillText(text, (j + 0.5) * wide, (i + 0.54) * cell);
}

// The numbers of a small plane, for those who do not see it.
function spoken({ rows, columns, get }) {
  if (rows * columns > 100) return `${rows} by ${columns} numbers`;
  const line = (i) => Array.from({ length: columns }, (_, j) => get(i, j)).filter((x) => x !== null).map((x) => format(x)).join(", ");
  return Array.from({ length: rows }, (_, i) => line(i)).join("; ");
}

// A picture of an array, some pixels high.
function thumb(array) {
  const plane = planeOf(array, array.held.slice(0, -2).map(() => 0));
  const canvas = el("canvas", { class: "thumb", "aria-hidden": "true" });
  const rows = Math.max(1, Math.min(plane.rows, 32)), columns = Math.max(1, Math.min(plane.columns, 64));
  canvas.width = columns;
  canvas.height = rows;
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let i = 0; i < Math.min(rows, plane.rows); i++) {
    for (let j = 0; j < Math.min(columns, plane.columns); j++) {
      const x = plane.get(i, j);
      image.data.set([...colorOf(x, plane.largest), x === null ? 0 : 255], (i * columns + j) * 4);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// An array in full: selectors for the leading dimensions, the plane, its range.
function arrayView(array, { label = "", tone = "forward", room = [380, 240], read = true } = {}) {
  if (array.size === 1) {
    const x = array.data[0];
    return el("div", { class: `big ${numberClass(x) || tone}` }, format(x, array.dtype === "float32" ? 7 : 10));
  }
  const box = el("div"), places = array.held.slice(0, -2).map(() => 0);
  const draw = () => {
    const map = heatMap(planeOf(array, places), { room, label, read });
    box.querySelector(".plane").replaceChildren(map);
  };
  if (places.length && array.held.every(Boolean)) {
    box.append(el("div", { class: "picks" }, places.map((_, d) => (array.held[d] > 1 ? picker(`dim ${d}`, array.held[d], (i) => {
      places[d] = i;
      draw();
    }) : null)).filter(Boolean)));
  }
  box.append(el("div", { class: "plane" }));
  draw();
  box.append(statistics(array));
  if (array.cut) box.append(el("p", { class: "note" }, `The page holds the first ${shapeText(array.held)} of ${shapeText(array.shape)}.`));
  return box;
}

function picker(label, count, choose) {
  const select = el("select", { "aria-label": label }, Array.from({ length: count }, (_, i) => el("option", { value: i }, String(i))));
  select.addEventListener("change", () => choose(Number(select.value)));
  return el("label", {}, label, select);
}

function statistics(array) {
  const line = el("div", { class: "stats" });
  const add = (title, x) => line.append(el("span", {}, `${title} `, el("b", {}, format(x, 4))));
  if (array.low !== null) {
    add("lowest", array.low);
    add("mean", array.mean);
    add("highest", array.high);
  }
  if (badText(array)) line.append(el("b", { class: "nan" }, badText(array)));
  return line;
}
