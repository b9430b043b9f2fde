"use strict";
// Puts the boxes of the page's graph in their places, and folds and unfolds its groups. The places
// follow from the sheets of the groups as in scene.py, of which Part and stretch are the twins.

const graph = JSON.parse(document.getElementById("graph").textContent);
const opened = new Set(graph.opened);
const view = document.getElementById("view");
const plane = document.getElementById("plane");
const TURN = 34;

// ---- places -------------------------------------------------------------------------------------

/** A map of a line that gives parts [middle, size, needed size] more room. */
function stretch(parts) {
  const cuts = [...new Set(parts.flatMap(([at, size]) => [at - size / 2, at + size / 2]))];
  cuts.sort((a, b) => a - b);
  const gains = [0];
  for (let i = 1; i < cuts.length; i++) {
    let rate = 0;
    for (const [at, size, needed] of parts)
      if (at - size / 2 <= cuts[i - 1] && cuts[i] <= at + size / 2)
        rate = Math.max(rate, (needed - size) / size);
    gains.push(gains[i - 1] + rate * (cuts[i] - cuts[i - 1]));
  }
  return (x) => {
    if (!cuts.length || x <= cuts[0]) return x;
    let low = 0, high = cuts.length - 1;
    if (x >= cuts[high]) return x + gains[high];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (cuts[middle] <= x) low = middle; else high = middle;
    }
    const share = (x - cuts[low]) / (cuts[high] - cuts[low]);
    return x + gains[low] + share * (gains[high] - gains[low]);
  };
}

/** Ways without those that are the same as an earlier one. */
function distinct(ways) {
  const seen = new Set();
  return ways.filter((way) => !seen.has(String(way)) && seen.add(String(way)));
}

class Part {
  constructor(number, least) {
    this.group = graph.groups[number];
    this.parts = new Map();
    this.group.items.forEach((item, i) => {
      if (item.group !== undefined && opened.has(item.group))
        this.parts.set(i, new Part(item.group, item.width));
    });
    this.rows = new Map();  // of each layer the height
    this.group.items.forEach((item, i) => {
      if (item.bend) return;
      const height = this.parts.has(i) ? this.parts.get(i).height : item.height;
      this.rows.set(item.layer, Math.max(this.rows.get(item.layer) || 0, height));
    });
    const grown = [...this.parts].map(([i, part]) => [this.group.items[i], part]);
    this.across = stretch(grown.map(([x, part]) => [x.x, x.width, part.width]));
    this.down = stretch(grown.map(([x, part]) => [x.y, x.height, part.height]));
    this.innerWidth = this.across(this.group.width);
    this.innerHeight = this.down(this.group.height);
    this.margin = Math.max(graph.padding, (least - this.innerWidth) / 2);
    this.width = this.innerWidth + 2 * this.margin;
    this.height = this.innerHeight + graph.header + graph.padding;
  }

  draw(scene, x, y) {
    const corners = new Map();
    this.group.items.forEach((item, i) => {
      if (item.style === undefined) return;
      const part = this.parts.get(i);
      const width = part ? part.width : item.width, height = part ? part.height : item.height;
      const left = x + this.across(item.x) - width / 2, top = y + this.down(item.y) - height / 2;
      scene.boxes.push({ item, x: left, y: top, width, height, open: !!part,
                         depth: this.group.depth });
      if (part) {
        corners.set(i, [left + part.margin, top + graph.header]);
        part.draw(scene, ...corners.get(i));
      }
    });
    const labelled = new Map(), there = new Set();
    for (const wire of this.group.wires) {
      const drawn = new Set();  // bends
      for (const way of wire.ways) {
        const lines = this.lines(wire, way, x, y, corners, drawn).filter(({ points }) =>
          points.length > 1 && !there.has(String(points)) && there.add(String(points)));
        scene.lines.push(...lines);
        const line = lines[0];
        if (!line || line.branch || !wire.shape || this.group.items[wire.source].style === undefined) continue;
        const right = line.points.find((p) => Math.abs(p[0] - line.points[0][0]) > 1)?.[0]
          > line.points[0][0];
        const label = labelled.get(wire.source);
        if (label) label.right ||= right;
        else labelled.set(wire.source, { words: wire.shape, start: line.points[0], right });
      }
    }
    scene.labels.push(...labelled.values());
  }

  lines(wire, [target, end, bends, bad], x, y, corners, drawn) {
    const items = this.group.items;
    const shared = bends.filter((i) => drawn.has(i)).length;  // the first ones
    for (const i of bends) drawn.add(i);
    const way = [];
    for (const i of bends.slice(Math.max(shared - 1, 0))) {
      const bend = items[i], at = x + this.across(bend.x);
      const ends = [-1, 1].map((side) => y + this.down(bend.y + side * bend.height / 2));
      if (bend.bend < 0) ends.reverse();
      for (const end of ends) way.push([at, end, bend.bend]);
    }
    let starts = wire.keys.map(() => []);
    if (shared) way.shift();  // it starts at the end of the last shared bend
    else starts = this.ends(wire, wire.source, 1, wire.start, x, y, corners);
    const arrivals = this.ends(wire, target, -1, end, x, y, corners).map((end) => end.reverse());
    const reads = items[target].style !== undefined && !this.parts.has(target);
    const line = (points, ends, branch) =>
      ({ wire, points, bad, ends, target: items[target], branch });
    if (!way.length)
      return starts.map((start, i) => line([...start, ...arrivals[i]], reads, false));
    return [
      line([...starts[0], ...way, ...arrivals[0]], reads, shared > 0),
      ...distinct(starts).slice(1).map((start) => line([...start, way[0]], false, shared > 0)),
      ...distinct(arrivals).slice(1).map((end) => line([way[way.length - 1], ...end], reads, true)),
    ];
  }

  ends(wire, i, side, offset, x, y, corners) {
    const item = this.group.items[i], part = this.parts.get(i);
    if (item.port) {
      const edge = item.port === "top" ? -graph.header : this.innerHeight + graph.padding;
      return wire.keys.map(() => [[x + this.across(item.x), y + edge, 1]]);
    }
    const middle = y + this.down(item.y);
    const port = side > 0 ? "bottom" : "top";
    const places = wire.keys.map((key) => part
      ? corners.get(i)[0] + part.port(key, port)
      : x + this.across(item.x) + offset);
    const heights = new Set([part ? part.height : item.height, this.rows.get(item.layer)]);
    return places.map((p) => [...heights].map((height) => [p, middle + side * height / 2, 1]));
  }

  port(key, side) {
    const found = this.group.items.find((item) => item.port === side && item.keys.includes(key));
    return found ? this.across(found.x) : this.innerWidth / 2;
  }
}

function path(points) {
  let d = `M${points[0][0]} ${points[0][1]}`;
  for (let i = 1; i < points.length; i++) {
    const [ax, ay, aw] = points[i - 1], [bx, by, bw] = points[i];
    if (Math.abs(ax - bx) < 0.5 && aw === bw) { d += `V${by}`; continue; }
    const reach = aw === bw ? Math.abs(by - ay) / 2 : TURN;
    d += `C${ax} ${ay + aw * reach} ${bx} ${by - bw * reach} ${bx} ${by}`;
  }
  return d;
}

// ---- drawing ------------------------------------------------------------------------------------

function element(name, attributes = {}, inner = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (inner) made.innerHTML = inner;
  return made;
}

function titled(made, hint) {
  const title = element("title");
  title.textContent = hint;
  made.prepend(title);
  return made;
}

function boxElement(box) {
  const item = box.item;
  const made = element("g", { class: box.open ? item.open : item.style,
                              transform: `translate(${box.x} ${box.y})` });
  if (item.group === undefined) {
    made.dataset.key = item.key;
    made.innerHTML = item.svg;
    return titled(made, item.hint);
  }
  made.dataset.group = graph.groups[item.group].path;
  for (const [key, value] of Object.entries({
    tabindex: 0, role: "button", "aria-expanded": box.open,
    "aria-label": graph.groups[item.group].path,
  })) made.setAttribute(key, value);
  if (box.open) {
    made.append(element("rect", { class: "ag-frame" + (box.depth % 2 ? " ag-even" : ""),
                                  width: box.width, height: box.height, rx: 12 }));
    made.append(element("path", { class: "ag-chevron", d: `M${box.width - 24} 19l4-4 4 4` }));
  } else made.innerHTML = item.svg;
  made.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(item.group); }
  });
  return titled(made, item.hint);
}

let whole;  // the Part of all
let scene;

function draw() {
  whole = new Part(0, 0);
  scene = { boxes: [], lines: [], labels: [] };
  whole.draw(scene, 0, 0);
  const frames = scene.boxes.filter((box) => box.open);
  const parts = frames.map(boxElement);
  for (const line of scene.lines) {
    const bad = line.bad ? " ag-bad" : "";
    const made = element("path", { class: "ag-wire" + bad, d: path(line.points) });
    if (line.ends) made.setAttribute("marker-end", `url(#ag-head${line.bad ? "-bad" : ""})`);
    made.dataset.source = line.wire.keys.join(" ");
    if (line.target.key !== undefined) made.dataset.target = line.target.key;
    parts.push(titled(made, line.wire.hint));
  }
  for (const box of frames)
    parts.push(element("g", { class: box.item.open, transform: `translate(${box.x} ${box.y})`,
                              "pointer-events": "none" }, box.item.heading));
  parts.push(...scene.boxes.filter((box) => !box.open).map(boxElement));
  for (const { words, start, right } of scene.labels) {
    const made = element("text", { class: "ag-shape ag-halo", y: start[1] + 14,
                                   x: start[0] + (right ? -5 : 5),
                                   "text-anchor": right ? "end" : "start" });
    made.textContent = words;
    parts.push(made);
  }
  plane.replaceChildren(...parts);
  fold.disabled = opened.size <= 1;
  unfold.disabled = opened.size >= graph.groups.length;
}

// ---- folding ------------------------------------------------------------------------------------

/** Folds or unfolds a group, which stays where it is on the screen. */
function toggle(number) {
  const before = corner(number);
  if (opened.has(number)) opened.delete(number); else opened.add(number);
  draw();
  const after = corner(number);
  if (before && after) {
    at.x += (before[0] - after[0]) * at.scale;
    at.y += (before[1] - after[1]) * at.scale;
    move();
  }
  const name = CSS.escape(graph.groups[number].path);
  plane.querySelector(`[data-group="${name}"]`)?.focus({ preventScroll: true });
}

/** The middle of a group's upper edge. */
function corner(number) {
  const box = scene.boxes.find((box) => box.item.group === number);
  return box && [box.x + box.width / 2, box.y];
}

const [fold, unfold, fit, larger, smaller] =
  ["fold", "unfold", "fit", "in", "out"].map((id) => document.getElementById(id));
fold.onclick = () => { opened.clear(); opened.add(0); draw(); show(); };
unfold.onclick = () => {
  const folded = scene.boxes.filter((box) => box.item.group !== undefined && !box.open);
  for (const box of folded) opened.add(box.item.group);
  draw();
  show();
};
fit.onclick = () => show(true);
larger.onclick = () => zoom(1.25, view.clientWidth / 2, view.clientHeight / 2);
smaller.onclick = () => zoom(0.8, view.clientWidth / 2, view.clientHeight / 2);

// ---- moving about -------------------------------------------------------------------------------

const at = { x: 0, y: 0, scale: 1 };

function move() {
  plane.setAttribute("transform", `translate(${at.x} ${at.y}) scale(${at.scale})`);
}

/** Shows the graph: all of it where that can be read (or is asked for), else from the top. */
function show(all = false) {
  const margin = 24, bar = 56;
  const across = (view.clientWidth - 2 * margin) / Math.max(whole.innerWidth, 1);
  const down = (view.clientHeight - margin - bar) / Math.max(whole.innerHeight, 1);
  at.scale = Math.min(1.25, across, down);
  if (!all && at.scale < 0.6) at.scale = Math.max(Math.min(1, across), 0.35);
  at.x = Math.max((view.clientWidth - whole.innerWidth * at.scale) / 2, margin);
  at.y = Math.max((view.clientHeight - bar + margin - whole.innerHeight * at.scale) / 2, margin);
  move();
}

function zoom(factor, x, y) {
  const scale = Math.min(Math.max(at.scale * factor, 0.02), 6);
  at.x = x - (x - at.x) * scale / at.scale;
  at.y = y - (y - at.y) * scale / at.scale;
  at.scale = scale;
  move();
}

view.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX, event.clientY);
}, { passive: false });

const pointers = new Map();
let moved = 0, pressed = null;
view.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  if (pointers.size === 1) { moved = 0; pressed = event.target.closest("[data-group]"); }
  view.classList.add("moving");
});
window.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = [event.clientX, event.clientY];
  const dx = now[0] - before[0], dy = now[1] - before[1];
  const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
  if (other) {
    const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    zoom(apart(now) / apart(before), other[0], other[1]);
    moved = Infinity;
  } else {
    moved += Math.abs(dx) + Math.abs(dy);
    if (moved > 4) { at.x += dx; at.y += dy; move(); }
  }
  pointers.set(event.pointerId, now);
});
for (const name of ["pointerup", "pointercancel"])
  window.addEventListener(name, (event) => {
    if (!pointers.delete(event.pointerId) || pointers.size) return;
    view.classList.remove("moving");
    if (name === "pointerup" && moved <= 4 && pressed) {
      const number = graph.groups.findIndex((group) => group.path === pressed.dataset.group);
      toggle(number);
    }
    pressed = null;
  });
window.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (event.key === "+" || event.key === "=") larger.click();
  else if (event.key === "-") smaller.click();
  else if (event.key === "0") fit.click();
  else if (step[event.key]) { at.x += step[event.key][0]; at.y += step[event.key][1]; move(); }
});
window.addEventListener("resize", () => show());

// The wires of the box under the mouse.
plane.addEventListener("pointerover", (event) => {
  const key = event.target.closest("[data-key]")?.dataset.key;
  for (const made of plane.querySelectorAll(".ag-wire"))
    made.classList.toggle("ag-lit", key !== undefined
      && (made.dataset.source.split(" ").includes(key) || made.dataset.target === key));
});

draw();
show();
