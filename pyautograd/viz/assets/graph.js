// The cards and edges of the graph, in the arrangement that is shown.

const CARD = DATA.card, LEAF = DATA.leaf;
const STEPS = [
  { kind: "given" },
  ...DATA.forward.map((key) => ({ kind: "forward", key })),
  ...(DATA.tape ? [{ kind: "seed", key: DATA.output }, ...DATA.backward.map((key) => ({ kind: "backward", key }))] : []),
];
const SEED = DATA.tape ? DATA.forward.length + 1 : Infinity;
const computedAt = NODES.map(() => 0), visitedAt = NODES.map(() => Infinity);
STEPS.forEach(({ kind, key }, i) => {
  if (kind === "forward") computedAt[key] = i;
  if (kind === "backward") visitedAt[key] = i;
});

// What has come to a value by a step: how many gradients of how many, and their sum.
function arrived(key, step) {
  const carrying = edgesFrom[key].filter((edge) => edge.sent !== null);
  const here = carrying.filter((edge) => visitedAt[edge.target] <= step);
  const seeded = key === DATA.output ? step >= SEED : false;
  const expected = carrying.length + (key === DATA.output && DATA.tape ? 1 : 0);
  const count = here.length + (seeded ? 1 : 0);
  const whole = count > 0 && count === expected;
  const parts = here.map((edge) => values(edge.sent));
  return { count, expected, whole, array: whole ? values(NODES[key].grad) : count === 1 && parts.length ? parts[0] : null };
}

// ---- which cards stand for which values ---------------------------------------------------------

let stateName = null, state = null;
let cards = new Map(); // by name: a key, or "g" and the number of a folded group
let drawn = []; // the edges as they are drawn
const shownAs = []; // by key: the name of the card

const isGroup = (name) => typeof name === "string";
const groupOf = (name) => DATA.groups[Number(name.slice(1))];

const keyOf = (name) => (isGroup(name) ? groupOf(name).output : name);
const sizeOf = (name) => (!isGroup(name) && NODES[name].kind !== "op" ? LEAF : CARD);

function arrange(name) {
  hoverEnd();
  stateName = name;
  state = DATA.states[name];
  [camera.width, camera.height] = state.size;
  cards = new Map(state.cards.map(([card, x, y]) => [card, { name: card, x, y }]));
  for (const card of cards.keys()) {
    for (const key of isGroup(card) ? groupOf(card).members : [card]) shownAs[key] = card;
  }
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  world.replaceChildren(...state.frames.map(frameElement), svg);
  for (const card of cards.values()) world.append(card.element = cardElement(card));
  drawEdges(svg);
  $("fold").textContent = name === "none" ? "Unfold all" : "Fold all";
}

function frameElement([number, x, y, width, height]) {
  const group = DATA.groups[number];
  const title = `${group.path.at(-1)}  ${group.class}`;
  const frame = el("div", { class: "frame", style: `left:${x}px;top:${y}px;width:${width}px;height:${height}px` });
  frame.append(el("button", { type: "button", title: `Fold ${group.path.join(".")}`, "aria-label": `Fold module ${group.path.join(".")}`, onclick: () => fold(number) }, `▾ ${title}`));
  return frame;
}

function fold(number) {
  const parent = DATA.groups[number].parent;
  rearrange(parent !== null && DATA.states[parent] ? String(parent) : "none", number);
}

function unfold(number) {
  rearrange(DATA.states[number] ? String(number) : "all", number);
}

function cardElement(card) {
  const [width, height] = sizeOf(card.name);
  const style = `left:${card.x - width / 2}px;top:${card.y - height / 2}px`;
  const group = isGroup(card.name) ? groupOf(card.name) : null;
  const node = NODES[keyOf(card.name)];
  const kind = group ? "group" : node.kind === "op" ? "op" : `leaf ${node.kind}`;
  const title = group ? group.path.at(-1) : node.kind === "op" ? node.glyph || node.label : node.symbol;
  const aside = group ? group.class : node.kind === "op" ? (node.glyph ? node.label : "") : node.kind;
  const box = el("div", { class: `card ${kind}`, style, role: "button", tabindex: "-1", "data-name": card.name, "aria-label": group ? `module ${group.path.join(".")}, ${group.class}: unfold` : node.kind === "op" ? `${node.label} ${node.symbol}` : `${node.kind} ${node.label}` },
    el("div", { class: "top" }, el("b", {}, title), el("span", {}, aside),
      !group && node.kind === "op" ? symbolElement(node.symbol) : null),
    el("div", { class: "value" }, valueInside(node)),
  );
  if (badText(values(node.value))) box.classList.add("bad");
  box.addEventListener("click", () => {
    if (travelled > 6) return;
    if (group) unfold(Number(card.name.slice(1)));
    else choose(card.name);
  });
  box.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && hoverSoon(card));
  box.addEventListener("pointerleave", hoverEnd);
  return box;
}

function symbolElement(text) {
  const numbered = NUMBERED.exec(text);
  return el("span", { class: "symbol" }, ...(numbered ? [numbered[1], el("sub", {}, numbered[2])] : [short(text, 14)]));
}

function valueInside(node) {
  const array = values(node.value);
  if (!array) return el("small", {}, node.shape ? `${shapeText(node.shape)}, not kept` : "not kept");
  if (array.size === 1) return el("span", { class: numberClass(array.data[0]) || undefined }, format(array.data[0], 5));
  return [array.size ? thumb(array) : null, el("small", {}, shapeText(array.shape), badText(array) ? el("b", { class: "nan" }, ` ${badText(array)}`) : null)];
}

// ---- edges --------------------------------------------------------------------------------------

function drawEdges(svg) {
  const bends = new Map(state.bends.map(([a, b, points]) => [`${a}>${b}`, points]));
  const pairs = new Map();
  for (const edge of EDGES) {
    const [a, b] = [shownAs[edge.source], shownAs[edge.target]];
    if (a === b) continue;
    const pair = `${a}>${b}`;
    if (!pairs.has(pair)) pairs.set(pair, { a, b, edges: [] });
    pairs.get(pair).edges.push(edge);
  }
  drawn = [];
  const entries = new Map(); // by card: what comes in, from left to right
  for (const [pair, { a, b }] of pairs) {
    const points = bends.get(pair) ?? [];
    if (!entries.has(b)) entries.set(b, []);
    entries.get(b).push({ a, x: points.length ? points.at(-2) : cards.get(a).x });
  }
  for (const into of entries.values()) into.sort((p, q) => p.x - q.x);
  for (const [pair, { a, b, edges }] of pairs) {
    const one = isGroup(a) || isGroup(b);
    for (const [i, edge] of (one ? edges.slice(0, 1) : edges).entries()) {
      const aside = one ? 0 : (i - (edges.length - 1) / 2) * 92;
      drawn.push(drawEdge(svg, { a, b, edges: one ? edges : [edge] }, bends.get(pair) ?? [], aside, entries.get(b)));
    }
  }
}

function drawEdge(svg, made, bends, aside, entries) {
  const { a, b } = made, [from, to] = [cards.get(a), cards.get(b)];
  const inward = (entries.findIndex((entry) => entry.a === a) - (entries.length - 1) / 2) * Math.min(36, 100 / entries.length);
  const points = [[from.x + aside * 0.5, from.y + sizeOf(a)[1] / 2]];
  for (let i = 0; i < bends.length; i += 2) points.push([bends[i], bends[i + 1]]);
  points.push([to.x + (aside ? aside * 0.5 : inward), to.y - sizeOf(b)[1] / 2]);
  // Edges go down, but for the way up to another column.
  const up = points.map(([x, y], i) => [[i, i + 1], [i - 1, i]].some(([j, k]) => points[j] && points[k] && points[j][0] === points[k][0] && points[k][1] < points[j][1]));
  let path = `M${points[0].join(" ")}`;
  for (let i = 1; i < points.length; i++) {
    const [p, q] = [points[i - 1], points[i]], bend = Math.max(Math.abs(q[1] - p[1]) / 2, up[i] !== up[i - 1] ? 30 : 0);
    const ends = [p[1] + (up[i - 1] ? -bend : bend), q[1] - (up[i] ? -bend : bend)];
    path += `C${p[0] + (i === 1 ? aside : 0)} ${ends[0]} ${q[0] + (i === points.length - 1 ? aside : 0)} ${ends[1]} ${q.join(" ")}`;
  }
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  line.setAttribute("class", "edge");
  svg.append(line);
  const [p, q] = points.slice(-2);
  return { ...made, line, at: [(p[0] + q[0]) / 2 + aside * 0.75, (p[1] + q[1]) / 2 + 4], label: null };
}

// What stands on an edge once its gradient has been sent: the local derivative, and the gradient.
function labelElement({ a, b, edges, at }) {
  const edge = edges.find((e) => e.sent !== null);
  const sent = values(edge.sent), local = values(edge.local);
  const label = el("div", { class: "label", style: `left:${at[0]}px;top:${at[1]}px`, "data-edge": `${edge.source}>${edge.target}:${edge.slot}` });
  if (!isGroup(a) && !isGroup(b)) label.append(localElement(edge, local));
  label.append(el("div", { class: "flow" }, sent.size === 1 ? el("span", { class: numberClass(sent.data[0]) }, format(sent.data[0], 5)) : [sent.size ? thumb(sent) : null, shapeText(sent.shape)]));
  return label;
}

function localElement(edge, local) {
  if (local && local.size === 1) return el("div", { class: "local" }, `× ${format(local.data[0], 5)}`);
  const made = DATA.formulas[NODES[edge.target].formula];
  const template = made.local[edge.slot] ?? made.grads[edge.slot];
  const box = el("div", { class: "local" });
  if (!template) return box;
  const inside = inNames(template, edge.target);
  box.innerHTML = `<math>${made.local[edge.slot] ? `<mo>×</mo>${inside}` : inside}</math>`;
  return box;
}

// ---- a step -------------------------------------------------------------------------------------

function paintStep(step, matches) {
  const { kind, key: active } = STEPS[step];
  const tone = kind === "seed" || kind === "backward" ? "on-backward" : "on-forward";
  const labelled = new Set();
  for (const card of cards.values()) {
    const key = keyOf(card.name), { classList } = card.element;
    classList.toggle("waiting", computedAt[key] > step);
    classList.toggle("active", active !== undefined && shownAs[active] === card.name);
    classList.toggle("on-forward", tone === "on-forward");
    classList.toggle("on-backward", tone === "on-backward");
    classList.toggle("chosen", pinned && card.name === shownAs[chosen]);
    classList.toggle("dim", !!matches && !matches.has(card.name));
    card.element.tabIndex = card.name === shownAs[chosen] ? 0 : -1;
    paintGrad(card, key, step);
  }
  for (const edge of drawn) {
    const carrying = edge.edges.filter((e) => e.sent !== null);
    const sent = carrying.some((e) => visitedAt[e.target] <= step);
    const now = kind === "backward" && carrying.some((e) => e.target === active);
    const lit = kind === "forward" && edge.edges.some((e) => e.target === active);
    const dim = !!matches && !(matches.has(edge.a) && matches.has(edge.b));
    const kinds = `edge${carrying.length ? "" : " flat"}${lit ? " lit" : ""}${now ? " sending" : sent ? " sent" : ""}${dim ? " dim" : ""}`;
    if (edge.kinds !== kinds) edge.line.setAttribute("class", edge.kinds = kinds); // thousands stay as they are
    if (sent && !edge.label) {
      world.append(edge.label = labelElement(edge));
      labelled.add(edge.b);
    }
    if (edge.label) {
      edge.label.hidden = !sent;
      edge.label.classList.toggle("sending", now);
      edge.label.classList.toggle("dim", dim);
    }
  }
  labelled.forEach(spreadLabels);
}

// Labels of edges into one card, side by side.
function spreadLabels(name) {
  const labels = drawn.filter((edge) => edge.b === name && edge.label).map((edge) => ({ edge, x: edge.at[0], y: edge.at[1], width: edge.label.offsetWidth + 6 }));
  labels.sort((p, q) => p.x - q.x);
  for (let round = 0; round < 24; round++) {
    for (let i = 1; i < labels.length; i++) {
      const [p, q] = [labels[i - 1], labels[i]], over = (p.width + q.width) / 2 - (q.x - p.x);
      if (over <= 0 || Math.abs(p.y - q.y) > 44) continue;
      p.x -= over / 2;
      q.x += over / 2;
    }
  }
  for (const { edge, x } of labels) edge.label.style.left = `${x}px`;
}

function paintGrad(card, key, step) {
  const { count, expected, whole, array } = arrived(key, step);
  const was = card.count ?? 0;
  if (was === count) return;
  card.count = count;
  card.element.querySelector(".grad")?.remove();
  if (!count) return;
  const inside = array ? (array.size === 1 ? format(array.data[0], 5) : [array.size ? thumb(array) : null, shapeText(array.shape)]) : "";
  card.element.append(el("div", { class: `grad${whole ? "" : " part"}`, title: whole ? "the gradient" : `${count} of ${expected} gradients have come` }, "∂ ", inside, whole ? null : ` ${count}/${expected}`));
}
